"""A fit as plain numbers and arrays, from which it goes on in another process."""

from __future__ import annotations

import enum
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gmm_engine.covariance import structure_of
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.types import FloatArray

VERSION = 3


class Phase(enum.IntEnum):
    """What a fit was doing; later versions may add to it."""

    SEARCH = 0
    """Between two searches for a start."""
    CLIMB = 1
    """EM on a sample, from the best start of a search."""
    FULL = 2
    """EM on all rows."""


_NUMBERS = (
    "version",
    "phase",
    "start",
    "n_starts",
    "n_samples",
    "n_components",
    "accelerate",
)
_ARRAYS = ("fingerprint", "options", "start_log_likelihoods")
_RUN_NUMBERS = ("n_plain", "n_leaving", "stride", "is_near")
_RUN_ARRAYS = (
    "tol",
    "floor",
    "weights",
    "means",
    "covariances",
    "collapsed",
    "log_likelihoods",
    "gains",
    "dropped",
    "points",
    "residuals",
    "radius",
    "frame_iterations",
    "frame_log_likelihoods",
    "frame_weights",
    "frame_means",
    "frame_covariances",
)
CANDIDATE_ARRAYS = (
    "start_weights",
    "start_means",
    "start_covariances",
    "end_weights",
    "end_means",
    "end_covariances",
    "log_likelihood",
)
_BEST_ARRAYS = tuple(f"best_{name}" for name in CANDIDATE_ARRAYS)
_CURRENT_ARRAYS = tuple(f"current_{name}" for name in CANDIDATE_ARRAYS)
_NAMES = {
    Phase.SEARCH: (("init", "n_done"), ("seed", *_BEST_ARRAYS)),
    Phase.CLIMB: (
        ("init", "n_done", "n_climbed", *_RUN_NUMBERS),
        (
            "seed",
            *_BEST_ARRAYS,
            *_CURRENT_ARRAYS,
            "current_log_likelihoods",
            *_RUN_ARRAYS,
        ),
    ),
    Phase.FULL: (
        ("n_starts_at_best", *_RUN_NUMBERS),
        (*_BEST_ARRAYS, *_RUN_ARRAYS),
    ),
}
"""Which numbers and arrays a checkpoint has in each phase."""


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A fit where it stood; give it to `fit(X, resume=...)`.

    `to_dict` and `from_dict` turn it into plain values and back: a string, integers and
    arrays of float64, in no need of pickle.
    """

    covariance_type: str
    numbers: Mapping[str, int]
    arrays: Mapping[str, FloatArray] = field(repr=False)

    @property
    def phase(self) -> Phase:
        """Return what the fit was doing."""
        return Phase(self.numbers["phase"])

    @property
    def iteration(self) -> int:
        """Return the iteration it was taken after, on the rows of its phase."""
        if self.phase is Phase.SEARCH:
            return 0
        return len(self.arrays["log_likelihoods"]) - 1

    def to_dict(self) -> dict[str, object]:
        """Return a new dictionary of plain values."""
        return {"covariance_type": self.covariance_type, **self.numbers, **self.arrays}

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Checkpoint:
        """Return the checkpoint that `to_dict` described.

        Raises
        ------
        InvalidArgumentError
            If something is missing, of another kind or of another version.
        """
        if not _is_ours(values.get("version")):
            raise InvalidArgumentError(
                f"expected a checkpoint of version {VERSION}; got "
                f"{values.get('version')!r}; start the fit anew",
                argument="resume",
            )
        try:
            numbers, arrays = _NAMES[Phase(_number(values["phase"]))]
            return cls(
                structure_of(values["covariance_type"]).name,
                {name: _number(values[name]) for name in (*_NUMBERS, *numbers)},
                {name: _array(values[name]) for name in (*_ARRAYS, *arrays)},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgumentError(
                f"expected a checkpoint as to_dict made it; {error!r}",
                argument="resume",
            ) from error


def _number(value: object) -> int:
    return operator.index(value)  # type: ignore[arg-type]


def _array(value: object) -> FloatArray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"expected an array of numbers; got dtype {array.dtype}")
    return np.array(array, dtype=np.float64, order="C")


def _is_ours(version: object) -> bool:
    try:
        return _number(version) == VERSION
    except TypeError:
        return False


def checkpoint_of(
    phase: Phase,
    covariance_type: str,
    numbers: Mapping[str, int],
    arrays: Mapping[str, object],
) -> Checkpoint:
    """Return a checkpoint with copies of the arrays."""
    return Checkpoint(
        covariance_type,
        {"version": VERSION, "phase": int(phase), **numbers},
        {name: np.array(array, dtype=np.float64) for name, array in arrays.items()},
    )
