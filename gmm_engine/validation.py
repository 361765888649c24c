"""Checks of what callers give: each says what was expected, what came, what to do."""

from __future__ import annotations

import math
import numbers

import numpy as np

from gmm_engine.errors import (
    EngineError,
    FeatureMismatchError,
    InvalidArgumentError,
    InvalidDataError,
    InvalidParametersError,
    TooFewRowsError,
)
from gmm_engine.types import AnyArray, FloatArray

# Squares of spreads must be ordinary float64 numbers, in nats and in the result.
LARGEST, SMALLEST = 1e150, 1e-150
_BLOCK = 1 << 16


def as_rows(X: object, *, argument: str = "X") -> AnyArray:
    """Return X as a two-dimensional array of real numbers, copied only if need be."""
    try:
        array = np.asarray(X)
    except (ValueError, TypeError) as error:
        raise InvalidDataError(
            f"expected {argument} to be rows of equal length; {error}",
            argument=argument,
        ) from error
    if array.dtype.kind == "O":
        array = _converted(array, argument)
    if array.dtype.kind not in "fiu":
        raise InvalidDataError(
            f"expected {argument} to hold real numbers; got dtype {array.dtype}; "
            "convert it to float64",
            argument=argument,
        )
    if array.ndim != 2:
        raise InvalidDataError(
            f"expected {argument} of shape (n_samples, n_features); got "
            f"{array.ndim} dimension(s), shape {array.shape}"
            + ("; use X.reshape(-1, 1) for one feature" if array.ndim == 1 else ""),
            argument=argument,
        )
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise InvalidDataError(
            f"expected {argument} with at least one row and one column; "
            f"got shape {array.shape}",
            argument=argument,
        )
    return array


def _converted(array: AnyArray, argument: str) -> AnyArray:
    if any(isinstance(entry, (str, bytes, bool)) for entry in array.flat):
        raise InvalidDataError(
            f"expected {argument} to hold numbers only; "
            "remove strings and booleans or convert them",
            argument=argument,
        )
    try:
        return array.astype(np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidDataError(
            f"expected {argument} to hold real numbers; {error}", argument=argument
        ) from error


def require_finite(X: AnyArray, *, argument: str = "X") -> None:
    """Raise unless all entries are finite; say where the first bad one is."""
    if X.dtype.kind != "f":
        return
    for start in range(0, len(X), _BLOCK):
        block = X[start : start + _BLOCK]
        finite = np.isfinite(block)
        if not finite.all():
            row, column = (int(i) for i in np.argwhere(~finite)[0])
            raise InvalidDataError(
                f"expected finite numbers in {argument}; got {block[row, column]} in "
                f"row {row + start}, column {column} (counted from 0); "
                "drop or fill such rows",
                argument=argument,
                row=row + start,
                column=column,
            )


def require_spread(minima: FloatArray, maxima: FloatArray) -> None:
    """Raise if a feature varies so much or so little that squares leave float64."""
    # Halves, so that the difference itself cannot overflow.
    half_range = maxima / 2 - minima / 2
    bad = (half_range > LARGEST) | ((half_range > 0) & (half_range < SMALLEST))
    if bad.any():
        column = int(np.flatnonzero(bad)[0])
        raise InvalidDataError(
            f"expected each feature of X to range over {SMALLEST:g} to {LARGEST:g}; "
            f"column {column} goes from {minima[column]:g} to {maxima[column]:g}; "
            "rescale it",
            argument="X",
            column=column,
        )


def require_features(X: AnyArray, n_features: int) -> None:
    """Raise unless X has `n_features` columns."""
    if X.shape[1] != n_features:
        raise FeatureMismatchError(
            f"expected X with {n_features} features; got {X.shape[1]}; "
            f"give {n_features} numbers in each row",
            argument="X",
        )


def as_count(value: object, argument: str, *, least: int = 1, most: int = 10**9) -> int:
    """Return an integer option in [least, most]."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral):
        raise InvalidArgumentError(
            f"expected {argument} to be an integer; "
            f"got {value!r} ({type(value).__name__})",
            argument=argument,
        )
    number = int(value)
    if not least <= number <= most:
        raise InvalidArgumentError(
            f"expected {argument} between {least} and {most}; got {number}",
            argument=argument,
        )
    return number


def as_non_negative(value: object, argument: str) -> float:
    """Return a real option that is finite and not below zero."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    number = float(value) if is_number else math.nan  # type: ignore[arg-type]
    if not (math.isfinite(number) and number >= 0):
        raise InvalidArgumentError(
            f"expected {argument} to be a finite number of at least 0; got {value!r}",
            argument=argument,
        )
    return number


def as_bool(value: object, argument: str) -> bool:
    """Return an option that is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidArgumentError(
            f"expected {argument} to be True or False; got {value!r}",
            argument=argument,
        )
    return bool(value)


def as_seed(random_state: object) -> int | np.random.Generator | None:
    """Return a random state: a non-negative integer, a Generator or None."""
    if random_state is None or isinstance(random_state, np.random.Generator):
        return random_state
    if (
        isinstance(random_state, (bool, np.bool_))
        or not isinstance(random_state, numbers.Integral)
        or random_state < 0
    ):
        raise InvalidArgumentError(
            "expected random_state to be a non-negative integer, a numpy Generator or "
            f"None; got {random_state!r}",
            argument="random_state",
        )
    return int(random_state)


def as_sample_weight(value: object, n_samples: int) -> FloatArray | None:
    """Return weights (N,), finite, non-negative and not all zero."""
    if value is None:
        return None
    weights = as_numbers(value, "sample_weight", InvalidArgumentError)
    if weights.shape != (n_samples,):
        raise InvalidArgumentError(
            f"expected sample_weight of shape ({n_samples},), one for each row; "
            f"got {weights.shape}",
            argument="sample_weight",
        )
    if not (np.isfinite(weights).all() and weights.min() >= 0 and weights.sum() > 0):
        raise InvalidArgumentError(
            "expected sample_weight to be finite, not negative and not all zero",
            argument="sample_weight",
        )
    return weights


def as_numbers(
    value: object, argument: str, error_class: type[EngineError]
) -> FloatArray:
    """Return a contiguous float64 copy of an array-like of real numbers."""
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiu" and array.size:
            raise TypeError(f"got dtype {array.dtype}")
        return np.array(array, dtype=np.float64, order="C")
    except (ValueError, TypeError) as error:
        raise error_class(
            f"expected {argument} to be an array of real numbers; {error}",
            argument=argument,
        ) from error


def require_enough_rows(n_components: int, n_rows: int, *, distinct: bool) -> None:
    """Raise if there are fewer rows than components."""
    if n_components > n_rows:
        kind = "distinct row(s)" if distinct else "row(s)"
        raise TooFewRowsError(
            f"expected n_components of at most {n_rows}, because X has only {n_rows} "
            f"{kind}; got {n_components}; use fewer components or more data",
            argument="n_components",
        )


def require_shape(name: str, array: FloatArray, shape: tuple[int, ...]) -> None:
    """Raise unless a parameter array has this shape and finite entries."""
    if array.shape != shape:
        raise InvalidParametersError(
            f"expected {name} of shape {shape}; got {array.shape}", argument=name
        )
    if not np.isfinite(array).all():
        raise InvalidParametersError(
            f"expected finite numbers in {name}", argument=name
        )
