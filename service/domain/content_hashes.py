"""Content hashes of fits: equal for fits that give the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

import gmm_engine
from gmm_engine.covariance import structure_of
from service.domain.fits import FitRequest

# The seed is hashed apart, the rows instead of the dataset's id.
_WITHOUT_EFFECT = ("dataset_id", "random_state", "model_name")


def seedless_hash(
    request: FitRequest, dataset_hash: str, columns: Sequence[str | None] | None
) -> str:
    """Hash of what is asked for, from whatever start.

    Hashed is all that the model depends on: the columns as well, which it carries, and
    every field of the request but those that change no number of it.
    """
    fields = {k: v for k, v in asdict(request).items() if k not in _WITHOUT_EFFECT}
    # It goes by several names.
    fields["covariance_type"] = structure_of(request.covariance_type).name
    return _hash(dataset_hash, columns, fields, gmm_engine.__version__)


def with_seed(seedless: str, seed: int) -> str:
    """Hash of what is asked for with that seed."""
    return _hash(seedless, seed)


def _hash(*parts: object) -> str:
    text = json.dumps(parts, sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
