"""Of which fit a checkpoint is: what must be the same for the fit to go on from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from gmm_engine.checkpoint import Checkpoint, Phase
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.initialization import INITIALIZATIONS

# The same weights, added up in another order, agree to this.
_ROUNDING = 1e-9
# A fingerprint has so many numbers for each feature.
_NUMBERS_PER_FEATURE = 3
_INITIALIZATIONS = tuple(INITIALIZATIONS)


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """The data, in short, and the options of a fit; None where it does not matter.

    `max_iter` is no part of it: raising it is what a fit may be resumed for.
    """

    covariance_type: str
    n_features: int
    n_samples: int
    total_weight: float
    tol: float
    reg_covar: float
    accelerate: bool
    n_components: int | None = None
    n_init: int | None = None
    init: str | None = None

    @property
    def numbers(self) -> Mapping[str, int]:
        """Return what of it a checkpoint keeps as numbers."""
        numbers = {"n_samples": self.n_samples, "accelerate": int(self.accelerate)}
        if self.n_components is not None:
            numbers["n_components"] = self.n_components
        if self.init is not None:
            numbers["init"] = _INITIALIZATIONS.index(self.init)
        return numbers

    @property
    def arrays(self) -> Mapping[str, object]:
        """Return what of it a checkpoint keeps as an array."""
        return {"options": [self.tol, self.reg_covar, self.total_weight]}

    def require(self, of_checkpoint: Identity) -> None:
        """Raise unless a checkpoint is of this fit.

        Raises
        ------
        InvalidArgumentError
            That names whatever differs.
        """
        pairs = [
            (each.name, getattr(self, each.name), getattr(of_checkpoint, each.name))
            for each in fields(self)
        ]
        different = [
            f"{_WORDS.get(name, name)} ({here!r} here, {there!r} there)"
            for name, here, there in pairs
            if None not in (here, there) and not _agree(here, there)
        ]
        if different:
            raise InvalidArgumentError(
                "expected resume to be a checkpoint of this X with these options; "
                f"different are {', '.join(different)}; give those of the fit that it "
                "was taken of",
                argument="resume",
            )


_WORDS = {
    "n_features": "the number of features",
    "n_samples": "the number of rows",
    "total_weight": "the sum of sample_weight",
}


def identity_of(checkpoint: Checkpoint) -> Identity:
    """Return of which fit a checkpoint says that it is."""
    numbers, options = checkpoint.numbers, checkpoint.arrays["options"]
    if options.shape != (3,):
        raise InvalidArgumentError(
            f"expected resume with options of shape (3,); got {options.shape}",
            argument="resume",
        )
    tol, reg_covar, total_weight = options.tolist()
    # What made the start does not matter any more once EM is on all rows.
    is_searching = checkpoint.phase is not Phase.FULL
    return Identity(
        checkpoint.covariance_type,
        checkpoint.arrays["fingerprint"].size // _NUMBERS_PER_FEATURE,
        numbers["n_samples"],
        total_weight,
        tol,
        reg_covar,
        bool(numbers["accelerate"]),
        numbers["n_components"],
        numbers["n_starts"] if is_searching else None,
        _init_of(numbers["init"]) if is_searching else None,
    )


def _init_of(number: int) -> str:
    if not 0 <= number < len(_INITIALIZATIONS):
        raise InvalidArgumentError(
            f"expected resume with an init that is known; got number {number}",
            argument="resume",
        )
    return _INITIALIZATIONS[number]


def _agree(here: object, there: object) -> bool:
    if isinstance(here, float) and isinstance(there, float):
        return math.isclose(here, there, rel_tol=_ROUNDING)
    return here == there
