"""What each dump holds: every kind of record, in every state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmm_engine import GaussianMixture
from gmm_engine.types import FloatArray
from service.domain.datasets import Dataset
from service.domain.fits import Fit, FitEventKind, FitState
from service.domain.models import FittedModel, Frame
from service.domain.pages import PageRequest
from service.storage.connection import StoreClients
from service.storage.datasets import RedisDatasetRepository
from service.storage.fits import RedisFitRepository
from service.storage.models import RedisModelRepository
from tests.records import (
    FAILURE,
    a_dataset,
    a_fit,
    a_model,
    assert_same_mixture,
    later,
    progress_at,
)

_N_COMPONENTS, _N_FEATURES = 2, 3
_COVARIANCES = {
    "full": np.stack([np.eye(3), 2 * np.eye(3)]) + 0.1,
    "tied": np.eye(3) + 0.25,
    "diag": np.array([[1.0, 2.0, 1 / 3], [4.0, 5.0, 6.0]]),
    "spherical": np.array([0.1, 7.0]),
}
_EVENTS: list[dict[str, object]] = [{"iteration": 1}, {"iteration": 2}]


def datasets() -> list[tuple[Dataset, FloatArray]]:
    tall = np.arange(600.0).reshape(200, 3) / 7
    wide = np.array([[np.pi, -0.0, 5e-324, 1e308, -1 / 3]])
    return [
        (a_dataset("d1", tall, columns=("x", "y", "z")), tall),
        (a_dataset("d2", wide, name=None, columns=None, created_at=later(60)), wide),
    ]


def models() -> list[FittedModel]:
    """One of each covariance structure; the first is that of the fit that succeeded."""
    return [
        FittedModel(
            a_model(
                f"m-{kind}",
                covariance_type=kind,
                n_features=_N_FEATURES,
                columns=None,
                created_at=later(number),
                fit_id="f-succeeded" if number == 0 else None,
            ),
            _mixture(kind),
            tuple(Frame(i, -100.0 + i / 3, _mixture(kind, i)) for i in range(4)),
        )
        for number, kind in enumerate(_COVARIANCES)
    ]


def fits() -> list[Fit]:
    """One in each state, the oldest first."""
    begun = [
        a_fit(f"f-{state}", created_at=later(number))
        for number, state in enumerate(FitState)
    ]
    queued, running, succeeded, failed, cancelled = begun
    return [
        queued,
        replace(running.started(later(10)).started(later(11)), progress=progress_at(2)),
        succeeded.started(later(10)).succeeded(models()[0].model, later(12)),
        failed.started(later(10)).failed(FAILURE, later(13)),
        cancelled.cancelled(later(14)),
    ]


def fill(clients: StoreClients) -> None:
    """Store it all as the service does."""
    repository = RedisFitRepository(clients)
    for dataset, rows in datasets():
        RedisDatasetRepository(clients).add(dataset, rows)
    fitted, *others = models()
    for model in others:
        RedisModelRepository(clients).add(model)
    for number, state in enumerate(FitState):
        repository.add(a_fit(f"f-{state}", created_at=later(number)))
    repository.start("f-running", later(10))
    running = repository.start("f-running", later(11))
    repository.report(running, progress_at(2), _EVENTS)
    started = repository.start("f-succeeded", later(10))
    repository.succeed(started, fitted, later(12))
    repository.fail(repository.start("f-failed", later(10)), FAILURE, later(13))
    repository.cancel("f-cancelled", later(14))


def assert_there(clients: StoreClients) -> None:
    """Read every record back through the repositories."""
    _assert_datasets(RedisDatasetRepository(clients))
    _assert_fits(RedisFitRepository(clients))
    _assert_models(RedisModelRepository(clients))


def _assert_datasets(repository: RedisDatasetRepository) -> None:
    for dataset, rows in datasets():
        assert repository.get(dataset.id) == dataset
        np.testing.assert_array_equal(repository.rows(dataset.id), rows, strict=True)
    assert _ids(repository) == ["d2", "d1"]


def _assert_fits(repository: RedisFitRepository) -> None:
    for fit in fits():
        found = repository.get(fit.id)
        # A dump's fits may be from before they had it.
        assert found.fit_status in (None, fit.fit_status)
        assert replace(found, fit_status=fit.fit_status) == fit
        assert list(repository.with_status(fit.status)) == [found]
    assert _ids(repository) == [fit.id for fit in reversed(fits())]
    events = repository.events("f-running", "0", 0)
    iterations = [e.payload for e in events if e.kind is FitEventKind.ITERATION]
    assert iterations == _EVENTS


def _assert_models(repository: RedisModelRepository) -> None:
    for fitted in models():
        assert repository.get(fitted.model.id) == fitted.model
        assert_same_mixture(repository.mixture(fitted.model.id), fitted.mixture)
        frames = repository.trajectory(fitted.model.id)
        for found, expected in zip(frames, fitted.trajectory, strict=True):
            assert found.iteration == expected.iteration
            assert found.log_likelihood == expected.log_likelihood
            assert_same_mixture(found.mixture, expected.mixture)
    assert _ids(repository) == [fitted.model.id for fitted in reversed(models())]


def _ids(repository) -> list[str]:
    return [item.id for item in repository.list(PageRequest(100)).items]


def _mixture(kind: str, shift: float = 0.0) -> GaussianMixture:
    means = np.arange(6.0).reshape(_N_COMPONENTS, _N_FEATURES) / 3 + shift
    return GaussianMixture(
        [1 / 3, 2 / 3], means, _COVARIANCES[kind], covariance_type=kind
    )
