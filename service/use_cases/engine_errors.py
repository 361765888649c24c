"""What the engine refuses, in the words of a client: rows and datasets, not arrays."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gmm_engine.covariance import structure_of
from gmm_engine.errors import (
    CollapsedComponentError,
    EngineError,
    InvalidDataError,
    NoAnswerError,
    TooFewRowsError,
)
from gmm_engine.validation import LARGEST, SMALLEST
from service.domain.wording import counted
from service.errors import FitFailedError, InvalidRequestError, Place

_ADVICE = {
    "weights": "Give a positive weight for each row of means, together one.",
    "means": "Give a row for each component, with a number for each feature.",
}
_MATRIX = "of as many rows and columns as there are features"
_COVARIANCE_ADVICE = {
    "full": f"give a matrix {_MATRIX} for each component",
    "tied": f"give one matrix {_MATRIX}",
    "diag": "give a row for each component, with a variance for each feature",
    "spherical": "give a variance for each component",
}


def refused_parameters(error: EngineError, structure: str) -> InvalidRequestError:
    """Return the error for parameters that make up no mixture of that structure."""
    detail = _sentence(error)
    # Those that collapse have the right shape, and the message says what to do.
    if not isinstance(error, CollapsedComponentError):
        advice = _ADVICE.get(error.argument or "")
        if error.argument == "covariances":
            advice = (
                f"For {structure!r} {_COVARIANCE_ADVICE[structure_of(structure).name]}."
            )
        detail = f"{detail} {advice}" if advice else detail
    pointer = f"/{error.argument}" if error.argument else None
    return InvalidRequestError(detail, [Place(detail, pointer)])


def failed_fit(
    error: EngineError, n_components: int, columns: Sequence[str] | None
) -> FitFailedError:
    """Return the error for a fit that has no answer."""
    if isinstance(error, TooFewRowsError):
        # The engine tells how many there are in its message alone.
        found = re.search(r"at most (\d+)", str(error))
        has = counted(int(found[1]), "different row") if found else "too few of them"
        return FitFailedError(
            f"Each of {counted(n_components, 'component')} needs a row of its own, but "
            f"the dataset has {has}; ask for fewer components, or send rows that "
            "differ."
        )
    if isinstance(error, InvalidDataError) and error.column is not None:
        name = "" if columns is None else f" ({columns[error.column]!r})"
        return FitFailedError(
            f"Column {error.column + 1}{name} of the dataset varies too much or too "
            f"little: its range must be from {SMALLEST:g} to {LARGEST:g}. Rescale it."
        )
    if isinstance(error, NoAnswerError):
        return FitFailedError(
            "No component kept any rows; ask for fewer components, a larger "
            "reg_covar, or another random_state."
        )
    return FitFailedError(_sentence(error))


def _sentence(error: EngineError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
