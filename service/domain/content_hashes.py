"""Content hashes of fits: equal for fits that give the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import gmm_engine
from gmm_engine.covariance import structure_of
from service.domain.fits import FitRequest


def seedless_hash(
    request: FitRequest, dataset_hash: str, columns: Sequence[str | None] | None
) -> str:
    """Hash of what is asked for, from whatever start.

    Hashed is all that the model depends on: the columns as well, which it carries, but
    neither its name nor the id of the dataset.
    """
    return _hash(
        dataset_hash,
        columns,
        request.n_components,
        # It goes by several names.
        structure_of(request.covariance_type).name,
        request.init,
        request.n_init,
        float(request.tol),
        request.max_iter,
        float(request.reg_covar),
        gmm_engine.__version__,
    )


def with_seed(seedless: str, seed: int) -> str:
    """Hash of what is asked for with that seed."""
    return _hash(seedless, seed)


def _hash(*parts: object) -> str:
    return f"sha256:{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"
