"""Running a fit: what a worker does with an id from the queue."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gmm_engine
from gmm_engine import Checkpoint, FitResult
from gmm_engine.errors import EngineError, InvalidArgumentError
from gmm_engine.types import FloatArray
from service.domain.datasets import Dataset
from service.domain.fits import Failure, Fit, FitState
from service.domain.models import (
    Diagnostic,
    FittedModel,
    Frame,
    Model,
    Provenance,
    Trajectory,
)
from service.errors import (
    CorruptValueError,
    FitNotFoundError,
    NotEnoughMemoryError,
    ServiceError,
    StaleAttemptError,
    StorageUnavailableError,
)
from service.ports import Clock, DatasetRepository, FitRepository
from service.use_cases.engine_errors import failed_fit
from service.use_cases.patience import Answer, Patience
from service.use_cases.reporting import FitInterruptedError, Pace, Reporter


@dataclass(frozen=True, slots=True)
class FitRunner:
    """Compute a queued fit and store its model."""

    fits: FitRepository
    datasets: DatasetRepository
    clock: Clock
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    is_stopping: Callable[[], bool] = lambda: False
    """Whether this process is to end: the fit goes on elsewhere."""

    def run(self, fit_id: str) -> Fit | None:
        """Run one attempt of a fit to its end.

        Returns None when the fit was cancelled, taken over or is gone: nothing was
        stored. Raises FitInterruptedError when the process is to end, and
        StorageUnavailableError when the store stays away for longer than our patience:
        the fit is not to blame, and the queue tries again.
        """
        try:
            fit = self._insist(lambda: self.fits.start(fit_id, self.clock()))
        except (StaleAttemptError, FitNotFoundError):
            return None
        try:
            return self._succeed(fit, self._compute(fit))
        except StaleAttemptError:
            return None
        except (FitInterruptedError, StorageUnavailableError):
            raise
        except ServiceError as error:
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
        dataset_id = fit.request.dataset_id
        dataset = self._insist(lambda: self.datasets.get(dataset_id))
        rows = self._insist(lambda: self.datasets.rows(dataset_id))
        reporter = Reporter(
            self.fits,
            fit,
            self.pace,
            self.patience.monotonic,
            self.is_stopping,
            self.patience.waiting,
        )
        try:
            result = self._fitted(fit, rows, reporter)
        except EngineError as error:
            n_components = fit.request.n_components
            raise failed_fit(error, n_components, dataset.columns) from error
        self._insist(reporter.flush)
        model = _describe(fit, dataset, result, self.clock)
        return FittedModel(model, result.mixture, _trajectory(result))

    def _fitted(self, fit: Fit, rows: FloatArray, reporter: Reporter) -> FitResult:
        """What EM finds, from where the attempt before this one stood."""
        checkpoint = self._checkpoint(fit)
        if checkpoint is None:
            return _engine_fit(fit, rows, reporter)
        try:
            return _engine_fit(fit, rows, reporter, checkpoint)
        except InvalidArgumentError as error:
            if error.argument != "resume":
                raise
            # Of other data, or damaged in a way that its checksum does not show.
            return _engine_fit(fit, rows, reporter)

    def _checkpoint(self, fit: Fit) -> Checkpoint | None:
        if fit.attempt == 1:
            return None
        try:
            return self._insist(lambda: self.fits.checkpoint(fit.id))
        except CorruptValueError:
            # Begun anew with the same seed, the fit finds the same.
            return None

    def _succeed(self, fit: Fit, fitted: FittedModel) -> Fit:
        """Store the model and the fit's end, however long the store is away."""
        try:
            return self._insist(lambda: self.fits.succeed(fit, fitted, self.clock()))
        except StaleAttemptError:
            # Perhaps by ourselves: a try whose answer was lost with its connection.
            current = self._insist(lambda: self.fits.get(fit.id))
            if current.status is FitState.SUCCEEDED and current.attempt == fit.attempt:
                return current
            raise

    def _fail(self, fit: Fit, error: ServiceError) -> Fit | None:
        failure = Failure(error.status, error.code, error.title, error.detail)
        try:
            return self._insist(lambda: self.fits.fail(fit, failure, self.clock()))
        except StaleAttemptError:
            return None

    def _insist(self, ask: Callable[[], Answer]) -> Answer:
        return self.patience.insist(ask)


def _engine_fit(
    fit: Fit,
    rows: FloatArray,
    reporter: Reporter,
    checkpoint: Checkpoint | None = None,
) -> FitResult:
    request = fit.request
    return gmm_engine.fit(
        rows,
        n_components=request.n_components,
        covariance_type=request.covariance_type,
        init=request.init,
        n_init=request.n_init,
        tol=request.tol,
        max_iter=request.max_iter,
        reg_covar=request.reg_covar,
        random_state=request.random_state,
        on_iteration=reporter.on_iteration,
        resume=checkpoint,
    )


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
        diagnostics=tuple(
            Diagnostic(
                kind=found.kind.name.lower(),
                detail=_detail(found, dataset.columns),
                component=found.component,
                feature=found.feature,
            )
            for found in result.diagnostics
        ),
        fit_id=fit.id,
        provenance=Provenance(
            dataset_id=dataset.id,
            dataset_hash=dataset.content_hash,
            n_samples=n_samples,
            seed=fit.request.random_state,
            engine_version=gmm_engine.__version__,
        ),
    )


def _detail(found: gmm_engine.Diagnostic, columns: Sequence[str] | None) -> str:
    """The engine's sentence, with the feature's name where the dataset has one."""
    if found.feature is None or columns is None:
        return found.detail
    return f"feature {columns[found.feature]!r}: {found.kind.value}"


def _trajectory(result: FitResult) -> Trajectory:
    # The engine has thinned it already: it is bounded in frames and in bytes.
    return tuple(
        Frame(frame.iteration, frame.log_likelihood, frame.mixture)
        for frame in result.frames
    )
