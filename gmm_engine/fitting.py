"""`fit`: from data and options to a mixture."""

from __future__ import annotations

import numpy as np

from gmm_engine import validation
from gmm_engine.checkpoint import Checkpoint
from gmm_engine.covariance import structure_of
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.initialization import initialization_of
from gmm_engine.progress import Announcer, OnIteration
from gmm_engine.results import FitResult
from gmm_engine.sources import ArraySource, one_blas_thread
from gmm_engine.starts import Given, as_given
from gmm_engine.survey import survey
from gmm_engine.task import FitTask, Plan
from gmm_engine.team import n_processors, team_of
from gmm_engine.types import AnyArray, FloatArray


def fit(
    X: object,
    n_components: int | None = None,
    *,
    covariance_type: str = "full",
    init: str = "k-means++",
    n_init: int = 1,
    tol: float = 1e-4,
    max_iter: int = 500,
    reg_covar: float = 1e-6,
    random_state: int | np.random.Generator | None = 0,
    sample_weight: object = None,
    initial: object = None,
    on_iteration: OnIteration | None = None,
    resume: Checkpoint | None = None,
    accelerate: bool = True,
    n_threads: int | None = None,
) -> FitResult:
    """Return the Gaussian mixture that EM finds on X, and how it got there.

    Parameters
    ----------
    X : (N, D) finite real numbers.
    n_components : K, at most the number of distinct rows; may be left out when
        `initial` says it.
    covariance_type : "full", "tied", "diag", "spherical", or mclust's code for one.
    init : "k-means++", "random_points" or "random_responsibilities".
    n_init : how many independent searches for a start are made.
    tol : EM stops when an iteration gains less than this in mean log-likelihood per
        sample (nats), and less than half of it is still to come by Aitken's
        estimate. On few rows, a thousand or so, a search goes on to a quarter of tol.
    max_iter : most EM iterations over the full data; 0 only evaluates the start.
    reg_covar : smallest variance that a component may have in any direction, as a
        fraction of the start's mean variance within components. Unlike scikit-learn's
        it is relative, and adds nothing to a component that is wide enough.
    random_state : seed; the same seed gives the same result. None draws a fresh one.
    sample_weight : (N,), not negative; an integer weight equals repeated rows, and a
        row of weight zero is as if absent (the others are copied then).
    initial : a GaussianMixture, hard labels (N,), or responsibilities (N, K); from
        labels or responsibilities one M-step makes the start.
    on_iteration : called after each iteration over the full data (the start is
        iteration 0), and now and then while starts are searched, with `phase` "search";
        when it returns False, EM stops with status CANCELLED and the best so far.
    resume : `state.checkpoint` of an earlier fit with the same X and options, which
        goes on from there as if it had never stopped: in the middle of a search for
        starts, too. Other options are refused, `accelerate` among them; only `max_iter`
        may be another, and once EM is on all rows, `n_components` may be left out,
        `initial`, `init` and `n_init` are not looked at. The seed is that of the fit
        before.
    accelerate : extrapolate from the last iterations wherever that gains more than EM;
        False gives plain EM, in searches too. The log-likelihood rises monotonically
        either way.
    n_threads : at most how many threads to use, by default one for each processor. The
        result does not depend on it.

    Raises
    ------
    EngineError
        For data or options that no fit is possible with; `argument` says which.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.3], [5.0], [5.2], [5.3]])
    >>> result = fit(X, n_components=2, covariance_type="tied")
    >>> np.sort(result.mixture.means.ravel()).round(3)
    array([0.133, 5.167])
    """
    structure = structure_of(covariance_type)
    # An unknown one is refused even where nothing is to be searched.
    initialization_of(init)
    n_init = validation.as_count(n_init, "n_init", most=10_000)
    max_iter = validation.as_count(max_iter, "max_iter", least=0)
    tol = validation.as_non_negative(tol, "tol")
    reg_covar = validation.as_non_negative(reg_covar, "reg_covar")
    accelerate = validation.as_bool(accelerate, "accelerate")
    seed = _seed_sequence(random_state)
    if n_components is not None:
        n_components = validation.as_count(n_components, "n_components")
    elif initial is None and resume is None:
        raise InvalidArgumentError(
            "expected n_components or an initial mixture; give one of them",
            argument="n_components",
        )
    if resume is not None and not isinstance(resume, Checkpoint):
        raise InvalidArgumentError(
            f"expected resume to be a Checkpoint; got {type(resume).__name__}; use "
            "Checkpoint.from_dict",
            argument="resume",
        )
    rows = validation.as_rows(X)
    weights = validation.as_sample_weight(sample_weight, len(rows))
    rows, weights, given = _present(rows, weights, initial)
    if n_components is not None:
        validation.require_enough_rows(n_components, len(rows), distinct=False)
    if n_threads is None:
        n_threads = n_processors()
    else:
        n_threads = validation.as_count(n_threads, "n_threads", most=1024)
    with team_of(n_threads) as team, one_blas_thread(rows.shape[1]):
        source = ArraySource(rows, weights, team=team)
        seen = survey(
            source,
            isotropic=structure.isotropic,
            refuse=lambda: validation.require_finite(rows),
        )
        task = FitTask(
            source,
            seen,
            structure,
            tol,
            max_iter,
            reg_covar,
            accelerate,
            Announcer(on_iteration, seen.frame),
        )
        plan = None
        if n_components is not None and given is None:
            plan = Plan(n_components, init, n_init, seed)
        if resume is not None:
            return task.resume(resume, plan, n_components)
        if given is not None:
            return task.from_given(given, n_components)
        assert plan is not None
        return task.from_search(plan)


def _present(
    rows: AnyArray, weights: FloatArray | None, initial: object
) -> tuple[AnyArray, FloatArray | None, Given | None]:
    """Return what belongs to rows of positive weight; the others are as if absent."""
    given = None if initial is None else as_given(initial, len(rows))
    if weights is None or weights.all():
        return rows, weights, given
    # An error speaks of rows by their number before any are left out.
    validation.require_finite(rows)
    present = weights > 0
    if isinstance(given, np.ndarray):
        given = given[present]
    return rows[present], weights[present], given


def _seed_sequence(random_state: object) -> np.random.SeedSequence:
    seed = validation.as_seed(random_state)
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**63))
    return np.random.SeedSequence(seed)
