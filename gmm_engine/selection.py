"""Choosing the number of components and the structure by an information criterion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gmm_engine import validation
from gmm_engine.covariance import structure_of
from gmm_engine.errors import InvalidArgumentError
from gmm_engine.fitting import fit
from gmm_engine.results import FitResult

CRITERIA = ("bic", "aic")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One fit of the search, and what the criteria say of it; smaller is better."""

    n_components: int
    covariance_type: str
    result: FitResult
    log_likelihood: float
    n_parameters: int
    bic: float
    aic: float


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """All candidates of a search."""

    table: tuple[Candidate, ...]
    """In the order of `covariance_types`, then `n_components`."""
    criterion: str

    @property
    def best_candidate(self) -> Candidate:
        """Return the candidate with the smallest criterion."""
        return min(self.table, key=lambda c: float(getattr(c, self.criterion)))

    @property
    def best(self) -> FitResult:
        """Return the fit with the smallest criterion."""
        return self.best_candidate.result


def select(
    X: object,
    *,
    n_components: Iterable[int] = range(1, 11),
    covariance_types: Iterable[str] = ("full", "tied", "diag", "spherical"),
    criterion: str = "bic",
    **options: object,
) -> Selection:
    """Return fits of X over sizes and structures, and the best by a criterion.

    Parameters
    ----------
    n_components : the sizes to try.
    covariance_types : the structures to try.
    criterion : "bic" or "aic"; smaller is better.
    options : passed on to `fit`.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.3], [0.4], [5.0], [5.2], [5.3], [5.5]])
    >>> found = select(X, n_components=[1, 2], covariance_types=["spherical", "tied"])
    >>> found.best.mixture.n_components
    2
    """
    if criterion not in CRITERIA:
        raise InvalidArgumentError(
            f"expected criterion to be one of {', '.join(CRITERIA)}; got {criterion!r}",
            argument="criterion",
        )
    sizes = [validation.as_count(size, "n_components") for size in n_components]
    names = [structure_of(name).name for name in covariance_types]
    if not (sizes and names):
        argument = "covariance_types" if sizes else "n_components"
        raise InvalidArgumentError(
            f"expected at least one entry in {argument}", argument=argument
        )
    rows = validation.as_rows(X)
    table = tuple(
        _candidate(fit(rows, size, covariance_type=name, **options), len(rows))  # type: ignore[arg-type]
        for name in names
        for size in sizes
    )
    return Selection(table, criterion)


def _candidate(result: FitResult, n_samples: int) -> Candidate:
    mixture, deviance = result.mixture, -2 * result.log_likelihood
    return Candidate(
        mixture.n_components,
        mixture.covariance_type,
        result,
        result.log_likelihood,
        mixture.n_parameters,
        deviance + mixture.n_parameters * float(np.log(n_samples)),
        deviance + 2 * mixture.n_parameters,
    )
