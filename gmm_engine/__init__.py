"""Gaussian mixtures by EM: fast, exact, and pure numerics.

>>> import numpy as np
>>> rng = np.random.default_rng(0)
>>> X = np.concatenate([rng.normal(-3, 1, (100, 2)), rng.normal(3, 1, (100, 2))])
>>> result = fit(X, n_components=2)
>>> result.status.name
'CONVERGED'
>>> result.mixture.predict([[-3.0, -3.0], [3.0, 3.0]]).tolist() in ([0, 1], [1, 0])
True

What others rely on
-------------------
`fit(X, n_components, *, covariance_type, init, n_init, tol, max_iter, reg_covar,
random_state, sample_weight, initial, on_iteration, resume, accelerate, n_threads)`
returns a `FitResult`: `mixture`, `status`, `converged`, `n_iter`, `log_likelihoods`,
`trajectory` (a sequence of mixtures), `frames` (the same with `iteration`,
`log_likelihood`, `mixture`), `diagnostics`, `start_log_likelihoods`,
`n_starts_at_best`.

`on_iteration(state)` gets an `IterationState`: `iteration`, `start` (k of `n_starts`,
from 0), `n_starts`, `log_likelihood`, `phase` ("full", or now and then "search"),
`mixture` and `checkpoint` (both made when asked for; the checkpoint while the callback
runs). Return False to stop: status CANCELLED.

`fit(X, ..., resume=checkpoint)` goes on from a checkpoint as if it had never stopped,
with the X and options that it was taken with; `max_iter` may be raised.
`Checkpoint.to_dict()` holds one string, integers and float64 arrays;
`Checkpoint.from_dict` takes them back.

`gmm_engine.warm_up.warm_up()`, or `python -m gmm_engine.warm_up`, compiles the kernels
into numba's cache once, and loads them later: call it in a process that forks workers.

`FitStatus`: CONVERGED, MAX_ITER_REACHED, DEGENERATE, CANCELLED. A fit on sound input
always ends in one of these. Errors are `EngineError`s (and `ValueError`s) with
`argument`, `row` and `column`; see `gmm_engine.errors`.

`GaussianMixture(weights, means, covariances, covariance_type)` is immutable and has
`predict`, `predict_proba`, `score_samples`, `score`, `sample`, `bic`, `aic`,
`n_parameters`, `full_covariances`.

`select(X, n_components=..., covariance_types=..., criterion="bic")` returns a
`Selection` with `best` (a FitResult), `best_candidate` and `table`.
"""

from gmm_engine.checkpoint import Checkpoint
from gmm_engine.covariance import COVARIANCE_TYPES
from gmm_engine.errors import (
    CollapsedComponentError,
    EngineError,
    FeatureMismatchError,
    InvalidArgumentError,
    InvalidDataError,
    InvalidParametersError,
    NoAnswerError,
    TooFewRowsError,
)
from gmm_engine.fitting import fit
from gmm_engine.initialization import INITIALIZATIONS
from gmm_engine.mixture import GaussianMixture
from gmm_engine.results import (
    Diagnostic,
    DiagnosticKind,
    FitResult,
    FitStatus,
    IterationState,
    Trajectory,
    TrajectoryFrame,
)
from gmm_engine.selection import Candidate, Selection, select

__version__ = "0.1.0"

__all__ = [
    "COVARIANCE_TYPES",
    "INITIALIZATIONS",
    "Candidate",
    "Checkpoint",
    "CollapsedComponentError",
    "Diagnostic",
    "DiagnosticKind",
    "EngineError",
    "FeatureMismatchError",
    "FitResult",
    "FitStatus",
    "GaussianMixture",
    "InvalidArgumentError",
    "InvalidDataError",
    "InvalidParametersError",
    "IterationState",
    "NoAnswerError",
    "Selection",
    "TooFewRowsError",
    "Trajectory",
    "TrajectoryFrame",
    "__version__",
    "fit",
    "select",
]
