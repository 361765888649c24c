"""What a caller can do wrong, and the few cases in which no answer is possible.

Every exception of the engine is an `EngineError` and a `ValueError`. What happens
to a fit on sound input is never an exception: see `FitStatus` and `Diagnostic`.
"""

from __future__ import annotations


class EngineError(ValueError):
    """Base class of all exceptions that the engine raises.

    Attributes
    ----------
    argument : the name of the argument to blame, as the caller wrote it.
    row, column : where in the array, zero-based, when one entry is to blame.
    """

    def __init__(
        self,
        message: str,
        *,
        argument: str | None = None,
        row: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.argument = argument
        self.row = row
        self.column = column


class InvalidArgumentError(EngineError):
    """An option of a call has a value that it cannot have."""


class InvalidDataError(EngineError):
    """The data are not a finite, non-empty, two-dimensional array of numbers."""


class TooFewRowsError(InvalidDataError):
    """There are fewer (distinct) rows than components to place on them."""


class FeatureMismatchError(InvalidDataError):
    """The rows have another number of features than the mixture."""


class InvalidParametersError(EngineError):
    """Weights, means and covariances do not make up a mixture."""


class CollapsedComponentError(InvalidParametersError):
    """The covariance of a component is not positive definite.

    Attributes
    ----------
    component : which one, zero-based.
    """

    def __init__(
        self, message: str, *, component: int, argument: str = "covariances"
    ) -> None:
        super().__init__(message, argument=argument)
        self.component = component


class NoAnswerError(EngineError):
    """Every component died: the data and options given leave no mixture."""
