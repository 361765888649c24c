"""Every key in the store is explained by an object, or it was left behind."""

from __future__ import annotations

import json
import re

from redis import Redis

_RQ_REGISTRIES = re.compile(
    r"rq:(workers(:fits)?|queues|worker:[^:]+|clean_registries:fits)"
)


def left_behind(client: Redis) -> list[str]:
    """Keys that nothing accounts for; those that expire by themselves are not."""
    keys = {key.decode() for key in client.scan_iter("*", count=1000)}
    explained = {key for key in keys if key.startswith("gmm:_:")}
    for key in keys:
        if re.fullmatch(r"gmm:default:(fit|model|dataset):.+", key):
            explained |= _parts(client, key)
    of_all = ("fits", "models", "datasets", "fit-durations", "fits-ended")
    explained |= {f"gmm:default:{name}" for name in (*of_all, "idempotency-keys")}
    return sorted(
        key
        for key in keys - explained
        if not _RQ_REGISTRIES.fullmatch(key) and client.ttl(key) < 0
    )


def _parts(client: Redis, key: str) -> set[str]:
    """The keys of one object, by what its record says."""
    _, _, kind, name = key.split(":", 3)
    record = json.loads(client.get(key) or b"{}")
    parts = {key}
    if kind == "dataset":
        parts |= {
            f"gmm:default:dataset-block:{name}:{i}" for i in range(record["blocks"])
        }
    if kind == "model":
        parts.add(f"gmm:default:model-parameters:{name}")
        blocks = range(record["trajectory_blocks"])
        parts |= {f"gmm:default:model-trajectory:{name}:{i}" for i in blocks}
    if kind == "fit":
        parts.add(f"gmm:default:fit-events:{name}")
        hashes = (record.get("content_hash"), record.get("seedless_hash"))
        parts |= {
            f"gmm:default:fits-by-hash:{found.removeprefix('sha256:')}"
            for found in hashes
            if found
        }
    return parts
