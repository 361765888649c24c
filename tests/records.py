"""Records for tests: each function makes one of a kind, whatever is not named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from gmm_engine import Checkpoint, GaussianMixture, IterationState, fit
from gmm_engine.types import FloatArray
from service.domain.datasets import Dataset
from service.domain.fits import Failure, Fit, FitRequest, Progress
from service.domain.models import FittedModel, Frame, Model, Provenance

NOW = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
FAILURE = Failure(422, "fit-failed", "Fit failed", "All rows are equal.")


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def some_rows(n_samples: int = 5, n_features: int = 2) -> FloatArray:
    return np.random.default_rng(0).normal(size=(n_samples, n_features))


def a_dataset(dataset_id: str = "d1", rows: FloatArray | None = None, **fields: Any):
    n_samples, n_features = (some_rows() if rows is None else rows).shape
    return Dataset(
        **{
            "id": dataset_id,
            "name": "heights",
            "n_samples": n_samples,
            "n_features": n_features,
            "columns": ("height", "weight"),
            "content_hash": "sha256:00",
            "size_bytes": 8 * n_samples * n_features,
            "created_at": NOW,
        }
        | fields
    )


def a_fit(fit_id: str = "f1", **fields: Any) -> Fit:
    request = FitRequest("d1", n_components=3, random_state=2**63 - 1)
    return Fit(**{"id": fit_id, "request": request, "created_at": NOW} | fields)


def progress_at(iteration: int) -> Progress:
    return Progress(iteration, log_likelihood=-100.0 + iteration, start=1, n_starts=2)


def a_mixture(shift: float = 0.0) -> GaussianMixture:
    return GaussianMixture(
        weights=[1 / 3, 2 / 3],
        means=[[shift, 0.1], [2.0, 3.0]],
        covariances=[[[1.0, 0.2], [0.2, 0.7]], [[2.0, -0.3], [-0.3, 1.0]]],
        covariance_type="full",
    )


def a_model(model_id: str = "m1", **fields: Any) -> Model:
    return Model(
        **{
            "id": model_id,
            "name": "sizes",
            "n_components": 2,
            "n_features": 2,
            "covariance_type": "full",
            "columns": ("height", "weight"),
            "created_at": NOW,
            "log_likelihood": -99.5,
            "bic": 230.1,
            "aic": 221.0,
            "n_iter": 12,
            "converged": True,
            "fit_status": "converged",
            "fit_id": "f1",
            "provenance": Provenance("d1", "sha256:00", 5, 7, "0.1.0"),
        }
        | fields
    )


def a_fitted_model(model_id: str = "m1", n_frames: int = 3, **fields: Any):
    frames = tuple(
        Frame(i, -100.0 + i / 3, a_mixture(shift=1 / (i + 1))) for i in range(n_frames)
    )
    return FittedModel(a_model(model_id, **fields), a_mixture(), frames)


def assert_same_mixture(found: GaussianMixture, expected: GaussianMixture) -> None:
    """Bit by bit: a stored mixture must answer as the fitted one did."""
    assert found.covariance_type == expected.covariance_type
    np.testing.assert_array_equal(found.weights, expected.weights, strict=True)
    np.testing.assert_array_equal(found.means, expected.means, strict=True)
    np.testing.assert_array_equal(found.covariances, expected.covariances, strict=True)


def a_checkpoint(iteration: int = 2) -> Checkpoint:
    """Where EM stands after an iteration."""
    taken: list[Checkpoint] = []

    def stop(state: IterationState) -> bool:
        if state.iteration == iteration and state.phase == "full":
            taken.append(state.checkpoint)
        return not taken

    rows = np.random.default_rng(0).normal(size=(60, 2))
    fit(rows, initial=np.arange(60) % 2, tol=0, on_iteration=stop)
    return taken[0]
