"""Models in Redis: a head, and parameters and trajectory as raw arrays beside it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gmm_engine import GaussianMixture
from service.domain.models import Diagnostic, FittedModel, Model, Provenance, Trajectory
from service.domain.pages import Page, PageRequest
from service.errors import CorruptValueError, ModelNotFoundError, NoTrajectoryError
from service.storage.connection import StoreClients
from service.storage.index import Index
from service.storage.keys import Keys
from service.storage.mixtures import (
    MixtureCache,
    decode_mixture,
    decode_trajectory,
    encode_mixture,
    encode_trajectory,
)
from service.storage.records import (
    commit,
    commit_new,
    decode_record,
    encode_record,
    fields_of,
)
from service.storage.staging import place, remove, set_value, staging
from service.storage.store import Command, Store


@dataclass(frozen=True, slots=True)
class StagedModel:
    """A model whose arrays are in the store; `commands` make it one of the models."""

    key: str
    head: bytes
    commands: Sequence[Command]
    required: Sequence[str]


class RedisModelRepository:
    """Implements `service.ports.ModelRepository`; a ttl counts from the creation.

    A trajectory is many times the size of its model, so it may have a shorter one.
    """

    def __init__(
        self,
        clients: StoreClients,
        tenant: str = "default",
        ttl: timedelta | None = None,
        trajectory_ttl: timedelta | None = None,
        cache: MixtureCache | None = None,
    ) -> None:
        self._store = Store(clients)
        self._keys = Keys(tenant)
        self._index = Index(self._store, self._keys.models, self._keys.model)
        self._ttl = ttl
        self._trajectory_ttl = min(filter(None, (ttl, trajectory_ttl)), default=None)
        self._cache = MixtureCache() if cache is None else cache

    def add(self, fitted: FittedModel) -> None:
        with self.staged(fitted) as model:
            commit_new(
                self._store, model.key, model.head, model.commands, model.required
            )
        self.sweep()

    def get(self, model_id: str) -> Model:
        return _decode(self._head(model_id))

    def mixture(self, model_id: str) -> GaussianMixture:
        # The head is asked for each time: a deleted model is gone from every process.
        stored = self._stored(model_id)
        # Other tenants may share the cache: the key names the tenant, too.
        key = self._keys.model(model_id)
        mixture = self._cache.get(key, stored)
        if mixture is None:
            mixture = self._read_mixture(model_id, decode_record(stored))
            self._cache.put(key, stored, mixture)
        return mixture

    def _read_mixture(self, model_id: str, head: dict[str, Any]) -> GaussianMixture:
        value = self._value(model_id, self._keys.model_parameters(model_id))
        if _checksum(value) != head["checksum"]:
            raise CorruptValueError(f"Model {model_id!r} has wrong parameters.")
        return decode_mixture(value, head["covariance_type"])

    def trajectory(self, model_id: str) -> Trajectory:
        head = self._head(model_id)
        blocks = (
            self._block(model_id, key)
            for key in self._trajectory_keys(model_id, head["trajectory_blocks"])
        )
        return decode_trajectory(blocks, head["covariance_type"])

    def list(self, page: PageRequest) -> Page[Model]:
        return self._index.page(page, lambda head: _decode(decode_record(head)))

    def rename(self, model_id: str, name: str | None) -> Model:
        key = self._keys.model(model_id)
        while True:
            value = self._stored(model_id)
            head = decode_record(value)
            new = encode_record(head | {"name": name})
            if commit(self._store, key, value, new, [("SET", key, new, "KEEPTTL")]):
                return replace(_decode(head), name=name)

    def delete(self, model_id: str) -> None:
        head = self._head(model_id)
        keys = [
            self._keys.model(model_id),
            self._keys.model_parameters(model_id),
            *self._trajectory_keys(model_id, head["trajectory_blocks"]),
        ]
        created_at = _decode(head).created_at
        self._store.run([*remove(keys), self._index.remove(model_id, created_at)])

    @contextmanager
    def staged(self, fitted: FittedModel) -> Iterator[StagedModel]:
        """Stage a model's arrays, for the commit that adds it, alone or with a fit."""
        model = fitted.model
        parameters = encode_mixture(fitted.mixture)
        with staging(
            self._store, self._keys, self._values(fitted, parameters)
        ) as staged:
            key = self._keys.model(model.id)
            head = encode_record(
                asdict(model)
                | {
                    "checksum": _checksum(parameters),
                    "trajectory_blocks": len(staged.pairs) - 1,
                }
            )
            commands = [
                set_value(key, head, self._ttl),
                *place(staged.pairs[:1], self._ttl),
                *place(staged.pairs[1:], self._trajectory_ttl),
                self._index.add(model.id, model.created_at),
            ]
            yield StagedModel(key, head, commands, staged.keys)

    def sweep(self) -> None:
        """Let the list forget some of the expired models."""
        if self._ttl is not None:
            self._index.sweep()

    def _values(
        self, fitted: FittedModel, parameters: bytes
    ) -> Iterator[tuple[str, bytes]]:
        model_id = fitted.model.id
        yield self._keys.model_parameters(model_id), parameters
        for number, block in enumerate(encode_trajectory(fitted.trajectory)):
            yield self._keys.model_trajectory(model_id, number), block

    def _stored(self, model_id: str) -> bytes:
        value = self._store.get(self._keys.model(model_id))
        if value is None:
            raise ModelNotFoundError(model_id)
        return value

    def _head(self, model_id: str) -> dict[str, Any]:
        return decode_record(self._stored(model_id))

    def _value(self, model_id: str, key: str) -> bytes:
        value = self._store.get(key)
        if value is None:
            # Gone by now, if the model was deleted while it was read.
            self._head(model_id)
            raise CorruptValueError(f"Model {model_id!r} lacks a part.")
        return value

    def _block(self, model_id: str, key: str) -> bytes:
        value = self._store.get(key)
        if value is None:
            # Gone with its model, or long before it.
            self._head(model_id)
            raise NoTrajectoryError(
                f"The training of model {model_id!r} is not kept any more; fit the "
                "data again to see it."
            )
        return value

    def _trajectory_keys(self, model_id: str, n_blocks: int) -> Sequence[str]:
        return [self._keys.model_trajectory(model_id, i) for i in range(n_blocks)]


def _checksum(value: bytes) -> str:
    return f"{zlib.crc32(value):08x}"


def _decode(head: dict[str, Any]) -> Model:
    with fields_of("model"):
        fields = {
            name: value
            for name, value in head.items()
            if name not in ("checksum", "trajectory_blocks")
        }
        columns, provenance = fields["columns"], fields["provenance"]
        # Models of the first days have none.
        diagnostics = fields.get("diagnostics", ())
        return Model(
            **fields
            | {
                "columns": None if columns is None else tuple(columns),
                "created_at": datetime.fromisoformat(fields["created_at"]),
                "diagnostics": tuple(Diagnostic(**found) for found in diagnostics),
                "provenance": None if provenance is None else Provenance(**provenance),
            }
        )
