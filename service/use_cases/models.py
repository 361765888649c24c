"""Models: making them from parameters, and asking them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gmm_engine import GaussianMixture
from gmm_engine.errors import EngineError
from gmm_engine.types import FloatArray
from service.domain.models import FittedModel, Model
from service.domain.pages import Page, PageRequest
from service.domain.tables import ArrayResult, Table
from service.domain.wording import counted
from service.errors import (
    IdTakenError,
    InvalidTableError,
    ModelNotFoundError,
    Place,
    TooLargeError,
    WrongFeaturesError,
)
from service.ports import Clock, ModelRepository
from service.use_cases.engine_errors import refused_parameters

# Half a gigabyte of float64: a few rows of a wide result are many numbers.
_MAX_RESULT_NUMBERS = 64_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """The parameters of a mixture as a client gave them, not yet checked."""

    weights: object
    means: object
    covariances: object
    covariance_type: str = "full"


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a table is under a mixture, in nats."""

    score: float
    """Mean log density per sample."""
    log_likelihood: float
    """Summed over the samples."""
    n_samples: int


@dataclass(frozen=True, slots=True)
class ModelService:
    """Create, show, list, rename, delete and query models."""

    models: ModelRepository
    new_id: Callable[[], str]
    clock: Clock

    def create(
        self,
        parameters: Parameters,
        name: str | None = None,
        model_id: str | None = None,
    ) -> FittedModel:
        """Store a model made from given parameters; no fit is needed.

        With an id it is stored once, however often this is called.
        """
        if model_id is not None:
            with suppress(ModelNotFoundError):
                return self.get(model_id)
        mixture = _mixture(parameters)
        model = Model(
            id=model_id or self.new_id(),
            name=name,
            n_components=mixture.n_components,
            n_features=mixture.n_features,
            covariance_type=mixture.covariance_type,
            columns=None,
            created_at=self.clock(),
        )
        fitted = FittedModel(model, mixture)
        try:
            self.models.add(fitted)
        except IdTakenError:
            # By the same request, sent twice, of which the other was faster.
            return self.get(model.id)
        return fitted

    def get(self, model_id: str) -> FittedModel:
        """Return a model with its parameters, without its trajectory."""
        return FittedModel(self.models.get(model_id), self.models.mixture(model_id))

    def list(self, page: PageRequest) -> Page[Model]:
        return self.models.list(page)

    def rename(self, model_id: str, name: str | None) -> FittedModel:
        model = self.models.rename(model_id, name)
        return FittedModel(model, self.models.mixture(model_id))

    def delete(self, model_id: str) -> None:
        self.models.delete(model_id)

    def predict(self, model_id: str, table: Table) -> ArrayResult:
        """Return the most probable component of each row."""
        mixture, rows = self._ask(model_id, table)
        return ArrayResult({"labels": mixture.predict(rows)}, ("label",))

    def predict_proba(self, model_id: str, table: Table) -> ArrayResult:
        """Return the responsibility of each component for each row."""
        mixture, rows = self._ask(model_id, table)
        _require_room(len(rows), mixture.n_components, "/data")
        columns = tuple(f"component_{k}" for k in range(mixture.n_components))
        return ArrayResult({"probabilities": mixture.predict_proba(rows)}, columns)

    def score(self, model_id: str, table: Table) -> Score:
        """Return the mean and the summed log density of the rows."""
        mixture, rows = self._ask(model_id, table)
        total = float(mixture.score_samples(rows).sum())
        return Score(total / len(rows), total, len(rows))

    def score_samples(self, model_id: str, table: Table) -> ArrayResult:
        """Return the log density of each row."""
        mixture, rows = self._ask(model_id, table)
        densities = mixture.score_samples(rows)
        return ArrayResult({"log_densities": densities}, ("log_density",))

    def sample(
        self, model_id: str, n_samples: int, random_state: int | None
    ) -> ArrayResult:
        """Draw rows from the mixture, with the component each came from."""
        model = self.models.get(model_id)
        mixture = self.models.mixture(model_id)
        _require_room(n_samples, mixture.n_features, "/n_samples")
        samples, labels = mixture.sample(n_samples, random_state)
        features = model.columns or tuple(
            f"feature_{j}" for j in range(mixture.n_features)
        )
        return ArrayResult({"samples": samples, "labels": labels}, (*features, "label"))

    def _ask(self, model_id: str, table: Table) -> tuple[GaussianMixture, FloatArray]:
        mixture = self.models.mixture(model_id)
        n_features = table.rows.shape[1]
        if n_features != mixture.n_features:
            raise WrongFeaturesError(
                f"The model has {counted(mixture.n_features, 'feature')}, but the rows "
                f"have {n_features}; send {counted(mixture.n_features, 'number')} in "
                "each row."
            )
        if table.columns is not None:
            _require_order(self.models.get(model_id).columns, table.columns)
        return mixture, table.rows


def _require_order(expected: Sequence[str] | None, columns: Sequence[str]) -> None:
    """Raise InvalidTableError when the columns are the model's, but in disorder.

    Other names are let pass: they may be other words for the same features.
    """
    if expected is None or sorted(expected) != sorted(columns):
        return
    for number, (name, column) in enumerate(zip(expected, columns, strict=True), 1):
        if name != column:
            detail = (
                f"Column {number} is {column!r}, but in the model it is {name!r}; send "
                "the columns in the order of the model's `columns`."
            )
            raise InvalidTableError(detail, [Place(detail, column=number)])


def _require_room(n_rows: int, n_columns: int, pointer: str) -> None:
    if n_rows * n_columns > _MAX_RESULT_NUMBERS:
        detail = (
            f"The result would have {n_rows} rows of {n_columns} numbers; ask for at "
            f"most {_MAX_RESULT_NUMBERS // n_columns} rows at a time."
        )
        raise TooLargeError(detail, [Place(detail, pointer)])


def _mixture(parameters: Parameters) -> GaussianMixture:
    try:
        return GaussianMixture(
            parameters.weights,
            parameters.means,
            parameters.covariances,
            covariance_type=parameters.covariance_type,
        )
    except EngineError as error:
        raise refused_parameters(error, parameters.covariance_type) from error
