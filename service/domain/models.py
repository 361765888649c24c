"""A model: a fitted or given mixture that can be asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gmm_engine import GaussianMixture


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a fitted model came from: enough to fit it again."""

    dataset_id: str
    dataset_hash: str
    n_samples: int
    seed: int
    engine_version: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What the engine noticed about a component or a feature, in one sentence."""

    kind: str
    """The name of the engine's `DiagnosticKind`, in lower case."""
    detail: str
    component: int | None = None
    feature: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """What is known of a mixture; its parameters are stored beside it.

    The fields from `log_likelihood` to `provenance` are None for a model made from
    given parameters.
    """

    id: str
    name: str | None
    n_components: int
    n_features: int
    covariance_type: str
    columns: tuple[str, ...] | None
    created_at: datetime
    log_likelihood: float | None = None
    """Summed over the samples, in nats."""
    bic: float | None = None
    """-2 log_likelihood + n_parameters ln n: smaller is better."""
    aic: float | None = None
    n_iter: int | None = None
    converged: bool | None = None
    fit_status: str | None = None
    """The name of the engine's `FitStatus`, in lower case."""
    diagnostics: tuple[Diagnostic, ...] = ()
    fit_id: str | None = None
    provenance: Provenance | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The mixture after one EM iteration; iteration 0 is the start."""

    iteration: int
    log_likelihood: float
    mixture: GaussianMixture


Trajectory = tuple[Frame, ...]


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model with all that is stored for it."""

    model: Model
    mixture: GaussianMixture
    trajectory: Trajectory = ()
