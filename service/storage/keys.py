"""The one place of key names.

Every key is `gmm:<tenant>:<kind>…`. What a client calls an id is always the last part
of a key that holds a head, and everything else has another kind: so no id, however it
is spelled, can name a key of another sort.

Key space
---------
===============================  ======  ============  =================================
key                              type    expires       meaning
===============================  ======  ============  =================================
dataset:<id>                     string  dataset ttl   a Dataset as JSON, and the number
                                                       of its blocks
dataset-block:<id>:<i>           string  dataset ttl   rows, about 1 MiB (`codec`)
datasets                         zset    never         list of the datasets (`index`)
fit:<id>                         string  fit ttl, from a Fit as JSON; the only truth
                                         its end on    about it
fit-events:<id>                  stream  an hour after its events, bounded in number
                                         the end       and bytes
fit-checkpoint:<id>              string  never         the state of EM (`checkpoints`);
                                                       goes with its fit's end
fits                             zset    never         list of the fits (`index`)
fits-queued, fits-running        set     never         ids of the fits in that state
model:<id>                       string  model ttl     a Model as JSON, the number of
                                                       its trajectory blocks, and the
                                                       checksum of its parameters
model-parameters:<id>            string  model ttl     weights, means, covariances
                                                       (`codec`)
model-trajectory:<id>:<i>        string  trajectory    frames, about 1 MiB (`codec`)
models                           zset    never         list of the models (`index`)
webhooks                         zset    never         fits whose end is still to be
                                                       told (`webhooks`)
fits-by-hash:<hash>              string  with its fit  id of the newest fit of that
                                                       content hash, or of that hash
                                                       without its seed
fits-ended                       hash    never         how many fits ever ended, by
                                                       state
fit-durations                    list    never         milliseconds that the last 20
                                                       successful fits took
idempotency:<hash>               string  a day         a Reservation as JSON, with the
                                                       answer once there is one
idempotency-hold:<hash>          string  30 s          who answers the request now
idempotency-keys                 zset    never         hashes of the keys, by when they
                                                       expire; bounded in number
staged:<token>:<i>               string  an hour       a value whose head is not yet
                                                       written (`staging`)
===============================  ======  ============  =================================

The tenant `_` stands for the store itself:

===============================  ======  ============  =================================
gmm:_:schema-version             string  never         number of the last migration
gmm:_:migration-lock             string  30 s, renewed token of the runner at work
gmm:_:api-key:<id>               string  30 days after an ApiKey as JSON, with the hash
                                         its revocation of the key
gmm:_:api-keys                   set     never         ids of the keys
gmm:_:keys-required              string  never         there is, or was, a key: requests
                                                       without one are refused
gmm:_:tenants                    set     never         every tenant that ever had a key
gmm:_:rate-limit:<hash>          string  a minute      requests of a client so far
===============================  ======  ============  =================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.domain.api_keys import TENANT_PATTERN
from service.domain.fits import FitState

SCHEMA_VERSION = "gmm:_:schema-version"
MIGRATION_LOCK = "gmm:_:migration-lock"
API_KEYS = "gmm:_:api-keys"
KEYS_REQUIRED = "gmm:_:keys-required"
TENANTS = "gmm:_:tenants"

_TENANT = re.compile(TENANT_PATTERN)


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one tenant's keys."""

    tenant: str = "default"

    def __post_init__(self) -> None:
        if not _TENANT.fullmatch(self.tenant):
            raise ValueError(
                "expected a tenant of 1 to 63 lower-case letters, digits and hyphens, "
                f"not starting with a hyphen, got {self.tenant!r}"
            )

    @property
    def datasets(self) -> str:
        return self._key("datasets")

    @property
    def fits(self) -> str:
        return self._key("fits")

    @property
    def models(self) -> str:
        return self._key("models")

    @property
    def webhooks(self) -> str:
        return self._key("webhooks")

    def dataset(self, dataset_id: str) -> str:
        return self._key("dataset", dataset_id)

    def dataset_block(self, dataset_id: str, block: int) -> str:
        return self._key("dataset-block", dataset_id, block)

    def fit(self, fit_id: str) -> str:
        return self._key("fit", fit_id)

    def fit_events(self, fit_id: str) -> str:
        return self._key("fit-events", fit_id)

    def fit_checkpoint(self, fit_id: str) -> str:
        return self._key("fit-checkpoint", fit_id)

    def fits_in(self, status: FitState) -> str:
        """Only states that are not final have such a set."""
        return self._key(f"fits-{status}")

    def model(self, model_id: str) -> str:
        return self._key("model", model_id)

    def model_parameters(self, model_id: str) -> str:
        return self._key("model-parameters", model_id)

    def model_trajectory(self, model_id: str, block: int) -> str:
        return self._key("model-trajectory", model_id, block)

    def fit_by_hash(self, content_hash: str) -> str:
        return self._key("fits-by-hash", content_hash.removeprefix("sha256:"))

    @property
    def fit_durations(self) -> str:
        return self._key("fit-durations")

    def idempotency(self, key_hash: str) -> str:
        return self._key("idempotency", key_hash)

    def idempotency_hold(self, key_hash: str) -> str:
        return self._key("idempotency-hold", key_hash)

    @property
    def fits_ended(self) -> str:
        return self._key("fits-ended")

    @property
    def idempotency_keys(self) -> str:
        return self._key("idempotency-keys")

    def staged(self, token: str, number: int) -> str:
        return self._key("staged", token, number)

    def _key(self, *parts: object) -> str:
        return ":".join(["gmm", self.tenant, *map(str, parts)])


def api_key(key_id: str) -> str:
    return f"gmm:_:api-key:{key_id}"


def rate_limit(client_hash: str) -> str:
    return f"gmm:_:rate-limit:{client_hash}"
