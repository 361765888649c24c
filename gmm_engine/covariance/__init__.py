"""Covariance structures, each a class behind `CovarianceStructure`.

`structure_of` finds one by its name here or in mclust.
"""

from __future__ import annotations

from gmm_engine.covariance.base import CovarianceStructure, Moments
from gmm_engine.covariance.diag import Diag
from gmm_engine.covariance.full import Full
from gmm_engine.covariance.spherical import Spherical
from gmm_engine.covariance.tied import Tied
from gmm_engine.errors import InvalidArgumentError

STRUCTURES: tuple[CovarianceStructure, ...] = (Full(), Tied(), Diag(), Spherical())
_BY_NAME = {
    name: structure
    for structure in STRUCTURES
    for name in (structure.name, structure.code)
}
COVARIANCE_TYPES = tuple(structure.name for structure in STRUCTURES)


def structure_of(covariance_type: object) -> CovarianceStructure:
    """Return the structure called `covariance_type`.

    >>> structure_of("VVV").name
    'full'
    """
    if isinstance(covariance_type, str) and covariance_type in _BY_NAME:
        return _BY_NAME[covariance_type]
    codes = ", ".join(f"{s.name} ({s.code})" for s in STRUCTURES)
    raise InvalidArgumentError(
        f"expected covariance_type to be one of {codes}; got {covariance_type!r}",
        argument="covariance_type",
    )


__all__ = [
    "COVARIANCE_TYPES",
    "STRUCTURES",
    "CovarianceStructure",
    "Moments",
    "structure_of",
]
