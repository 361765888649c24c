"""What a checkpoint holds, each entry checked where it is taken out.

Checkpoints come from a store, or from another process: what is wrong with one must be
an error here, for compiled kernels trust the arrays that they are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmm_engine.checkpoint import Checkpoint
from gmm_engine.covariance import CovarianceStructure, structure_of
from gmm_engine.errors import InvalidArgumentError, InvalidParametersError
from gmm_engine.kernels.density import Parameters
from gmm_engine.mixture import GaussianMixture
from gmm_engine.types import FloatArray

# In the frame, no number is larger, for its square must not overflow, ...
_LARGEST = 1e100
# ... and no variance is smaller: the resolution of data, below which there is nothing
# but rounding, is not.
SMALLEST_VARIANCE = 1e-21
# A component with a share π of the rows is at most about 1/√π deviations away, and one
# with too small a share is dropped.
_FARTHEST = 1e10
_WHOLE = 2**53


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """A checkpoint of data with so many features."""

    checkpoint: Checkpoint
    n_features: int

    @property
    def structure(self) -> CovarianceStructure:
        return structure_of(self.checkpoint.covariance_type)

    @property
    def n_components(self) -> int:
        """Return K as it was asked for."""
        return self.number("n_components", least=1)

    def number(self, name: str, *, least: int = 0, most: int = _WHOLE) -> int:
        """Return a number between bounds."""
        number = self.checkpoint.numbers[name]
        if not least <= number <= most:
            raise refused(f"{name} from {least} to {most}; got {number}")
        return number

    def length(self, name: str) -> int:
        """Return how many rows or numbers an array has."""
        array = self.checkpoint.arrays[name]
        if not array.ndim:
            raise refused(f"{name} with an axis; got one number")
        return len(array)

    def array(
        self,
        name: str,
        *shape: int,
        least: float = -_LARGEST,
        most: float = _LARGEST,
    ) -> FloatArray:
        """Return an array of that shape with entries between bounds."""
        array = self.checkpoint.arrays[name]
        if array.shape != shape:
            raise refused(f"{name} of shape {shape}; got {array.shape}")
        if not ((array >= least) & (array <= most)).all():
            raise refused(f"numbers from {least:g} to {most:g} in {name}")
        return array

    def vector(self, name: str, *, least: float = -_LARGEST) -> FloatArray:
        """Return an array of any number of entries."""
        return self.array(name, self.length(name), least=least)

    def rows(self, name: str, n_rows: int, *shape: int) -> FloatArray:
        """Return so many rows of that shape; none may be stored as an empty array."""
        if not n_rows:
            return self.array(name, 0).reshape(0, *shape)
        return self.array(name, n_rows, *shape)

    def whole(self, name: str, *shape: int, most: int = _WHOLE) -> FloatArray:
        """Return an array of whole numbers that are not negative."""
        array = self.array(name, *shape, least=0, most=most)
        if (array != np.floor(array)).any():
            raise refused(f"whole numbers in {name}")
        return array

    def parameters(self, prefix: str, n_components: int) -> Parameters:
        """Return the parameters in the arrays whose names begin so."""
        shape = (n_components, self.n_features)
        return checked_parameters(
            self.array(f"{prefix}weights", n_components),
            self.array(f"{prefix}means", *shape, least=-_FARTHEST, most=_FARTHEST),
            self.array(f"{prefix}covariances", *self.structure.shape(*shape)),
            self.structure,
        )

    def parameters_or_none(self, prefix: str, n_components: int) -> Parameters | None:
        """Return the parameters, None where all their arrays are empty."""
        names = (f"{prefix}{name}" for name in ("weights", "means", "covariances"))
        if all(self.checkpoint.arrays[name].shape == (0,) for name in names):
            return None
        return self.parameters(prefix, n_components)


def checked_parameters(
    weights: FloatArray,
    means: FloatArray,
    covariances: FloatArray,
    structure: CovarianceStructure,
) -> Parameters:
    """Return parameters in the frame that make up a mixture.

    Raises
    ------
    InvalidArgumentError
        If they do not.
    """
    try:
        # Only looked at: the arrays go on as they are, to the last bit.
        GaussianMixture(weights, means, covariances, structure.name)
    except InvalidParametersError as error:
        raise refused(f"a mixture; {error}") from error
    if structure.variances(covariances, *means.shape).min() < SMALLEST_VARIANCE:
        raise refused(f"no variance below {SMALLEST_VARIANCE:g}")
    return Parameters(weights, means, covariances, structure)


def refused(expected: str) -> InvalidArgumentError:
    """Return the error for a checkpoint that does not hold what is expected."""
    return InvalidArgumentError(
        f"expected resume to hold {expected}; start the fit anew", argument="resume"
    )
