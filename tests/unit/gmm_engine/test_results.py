"""What a fit returns, as it is shown."""

from __future__ import annotations

from gmm_engine import fit
from tests.oracles import reference_data, start_labels


def test_a_result_is_shown_in_one_line():
    start = start_labels("faithful", 3)
    result = fit(reference_data("faithful"), 3, initial=start, tol=0, max_iter=20)
    assert repr(result) == (
        "FitResult(status=MAX_ITER_REACHED, n_iter=20, "
        f"log_likelihood={result.log_likelihood:.10g}, mixture=GaussianMixture("
        "n_components=3, n_features=2, covariance_type='full'))"
    )
    assert repr(result.trajectory) == "Trajectory(of 21 mixtures)"


def test_a_checkpoint_is_shown_without_its_arrays():
    taken = []
    fit([[0.0], [1.0], [4.0]], 1, on_iteration=lambda s: taken.append(s.checkpoint))
    assert "array" not in repr(taken[0])
