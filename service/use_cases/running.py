"""Running a fit: what a worker does with an id from the queue."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import gmm_engine
from gmm_engine import FitResult
from gmm_engine.errors import EngineError
from service.domain.datasets import Dataset
from service.domain.fits import Failure, Fit, Progress
from service.domain.models import FittedModel, Frame, Model, Provenance, Trajectory
from service.errors import (
    FitFailedError,
    NotEnoughMemoryError,
    ServiceError,
    StaleAttemptError,
    StorageFullError,
)
from service.ports import Clock, DatasetRepository, FitRepository

# Parameters travel with each event while they are small enough to be drawn.
_MAX_EVENT_NUMBERS = 5_000
_MAX_STORED_TRAJECTORY_NUMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class FitRunner:
    """Compute a queued fit and store its model."""

    fits: FitRepository
    datasets: DatasetRepository
    clock: Clock
    report_interval_seconds: float = 0.1
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    full_store_waits_seconds: tuple[float, ...] = (1.0, 3.0, 9.0)
    """How long a model waits for room in the store, time after time."""

    def run(self, fit_id: str) -> Fit | None:
        """Run one attempt of a fit to its end.

        Returns None when the fit was cancelled or taken over: nothing was stored.
        A store that does not answer is raised: the fit is not to blame, and the
        queue tries again. A store that stays full ends the fit, as trying again would
        only compute the same model once more; there is always room to say so.
        """
        try:
            fit = self.fits.start(fit_id, self.clock())
        except StaleAttemptError:
            return None
        try:
            return self._store(fit, self._compute(fit))
        except StaleAttemptError:
            return None
        except EngineError as error:
            return self._fail(fit, FitFailedError(str(error)))
        except ServiceError as error:
            if error.status == 503:
                raise
            return self._fail(fit, error)
        except MemoryError:
            return self._fail(
                fit,
                NotEnoughMemoryError(
                    "The fit needs more memory than a fit may take here; ask for fewer "
                    "components, or send fewer rows."
                ),
            )
        except Exception:
            self._fail(fit, ServiceError("The fit ended with an unexpected error."))
            raise

    def _compute(self, fit: Fit) -> FittedModel:
        request = fit.request
        dataset = self.datasets.get(request.dataset_id)
        reporter = _Reporter(
            self.fits, fit, self.report_interval_seconds, self.monotonic
        )
        result = gmm_engine.fit(
            self.datasets.rows(dataset.id),
            n_components=request.n_components,
            covariance_type=request.covariance_type,
            init=request.init,
            n_init=request.n_init,
            tol=request.tol,
            max_iter=request.max_iter,
            reg_covar=request.reg_covar,
            random_state=request.random_state,
            on_iteration=reporter.on_iteration,
        )
        reporter.flush()
        model = _describe(fit, dataset, result, self.clock)
        return FittedModel(model, result.mixture, _bounded(result))

    def _store(self, fit: Fit, fitted: FittedModel) -> Fit:
        for seconds in self.full_store_waits_seconds:
            try:
                return self.fits.succeed(fit, fitted, self.clock())
            except StorageFullError:
                self.sleep(seconds)
        return self.fits.succeed(fit, fitted, self.clock())

    def _fail(self, fit: Fit, error: ServiceError) -> Fit | None:
        failure = Failure(error.status, error.code, error.title, error.detail)
        try:
            return self.fits.fail(fit, failure, self.clock())
        except StaleAttemptError:
            return None


@dataclass(slots=True)
class _Reporter:
    """Gathers iterations and stores them at intervals: EM must not wait for Redis."""

    fits: FitRepository
    fit: Fit
    interval_seconds: float
    monotonic: Callable[[], float]
    pending: list[dict[str, object]] = field(default_factory=list)
    progress: Progress | None = None
    due: float = 0.0

    def on_iteration(self, state: gmm_engine.IterationState) -> bool:
        self.progress = Progress(
            state.iteration, state.log_likelihood, state.start + 1, state.n_starts
        )
        self.pending.append(_event(state))
        if self.monotonic() >= self.due:
            self.flush()
            self.due = self.monotonic() + self.interval_seconds
        return True

    def flush(self) -> None:
        if self.progress is not None and self.pending:
            # Raises StaleAttemptError once the fit was cancelled or taken over. A full
            # store loses what could be watched, not what is computed.
            with suppress(StorageFullError):
                self.fits.report(self.fit, self.progress, self.pending)
            self.pending = []


def _event(state: gmm_engine.IterationState) -> dict[str, object]:
    event: dict[str, object] = {
        "iteration": state.iteration,
        "log_likelihood": state.log_likelihood,
        "start": state.start + 1,
        "n_starts": state.n_starts,
    }
    mixture = state.mixture
    if mixture.means.size + mixture.covariances.size <= _MAX_EVENT_NUMBERS:
        event |= {
            "weights": mixture.weights.tolist(),
            "means": mixture.means.tolist(),
            "covariances": mixture.covariances.tolist(),
        }
    return event


def _describe(fit: Fit, dataset: Dataset, result: FitResult, clock: Clock) -> Model:
    mixture, n_samples = result.mixture, dataset.n_samples
    log_likelihood = float(result.log_likelihoods[-1])
    deviance = -2 * log_likelihood
    assert fit.request.random_state is not None  # set when the fit was submitted
    return Model(
        # Derived, not drawn: a second attempt overwrites, it does not leave a twin.
        id=f"m{fit.id}",
        name=fit.request.model_name,
        n_components=mixture.n_components,
        n_features=mixture.n_features,
        covariance_type=mixture.covariance_type,
        columns=dataset.columns,
        created_at=clock(),
        log_likelihood=log_likelihood,
        bic=deviance + mixture.n_parameters * math.log(n_samples),
        aic=deviance + 2 * mixture.n_parameters,
        n_iter=result.n_iter,
        converged=result.converged,
        fit_status=result.status.name.lower(),
        fit_id=fit.id,
        provenance=Provenance(
            dataset_id=dataset.id,
            dataset_hash=dataset.content_hash,
            n_samples=n_samples,
            seed=fit.request.random_state,
            engine_version=gmm_engine.__version__,
        ),
    )


def _bounded(result: FitResult) -> Trajectory:
    """The trajectory, thinned evenly until it is small enough to be stored."""
    frames = tuple(
        Frame(frame.iteration, frame.log_likelihood, frame.mixture)
        for frame in result.frames
    )
    mixture = result.mixture
    numbers = mixture.weights.size + mixture.means.size + mixture.covariances.size
    most = max(2, _MAX_STORED_TRAJECTORY_NUMBERS // numbers)
    if len(frames) <= most:
        return frames
    last = len(frames) - 1
    return tuple(frames[round(i * last / (most - 1))] for i in range(most))
