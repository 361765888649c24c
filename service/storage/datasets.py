"""Datasets in Redis: a head, and the rows in blocks beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.datasets import Dataset
from service.domain.pages import Page, PageRequest
from service.errors import CorruptValueError, DatasetNotFoundError
from service.storage.codec import decode_arrays, split_rows
from service.storage.connection import StoreClients
from service.storage.index import Index
from service.storage.keys import Keys
from service.storage.records import (
    commit_new,
    decode_record,
    encode_record,
    fields_of,
)
from service.storage.staging import expire, remove, set_value, staging
from service.storage.store import Store

_BLOCKS_PER_READ = 8


class RedisDatasetRepository:
    """Implements `service.ports.DatasetRepository`; `ttl` counts from the last use."""

    def __init__(
        self,
        clients: StoreClients,
        tenant: str = "default",
        ttl: timedelta | None = None,
    ) -> None:
        self._store = Store(clients)
        self._keys = Keys(tenant)
        self._index = Index(self._store, self._keys.datasets, self._keys.dataset)
        self._ttl = ttl

    def add(self, dataset: Dataset, rows: FloatArray) -> None:
        blocks = (
            (self._keys.dataset_block(dataset.id, number), block)
            for number, block in enumerate(split_rows(rows))
        )
        with staging(self._store, self._keys, blocks) as staged:
            head = encode_record(asdict(dataset) | {"blocks": len(staged.pairs)})
            key = self._keys.dataset(dataset.id)
            commands = [
                set_value(key, head, self._ttl),
                *staged.commands(self._ttl),
                self._index.add(dataset.id, dataset.created_at),
            ]
            commit_new(self._store, key, head, commands, staged.keys)
        if self._ttl is not None:
            self._index.sweep()

    def get(self, dataset_id: str) -> Dataset:
        return _decode(self._head(dataset_id))

    def rows(self, dataset_id: str) -> FloatArray:
        head = self._head(dataset_id)
        dataset = _decode(head)
        rows = np.empty((dataset.n_samples, dataset.n_features))
        n_read = 0
        for block in self._blocks(dataset_id, head["blocks"]):
            end = n_read + len(block)
            if block.shape[1:] != rows.shape[1:] or end > len(rows):
                raise CorruptValueError(f"Dataset {dataset_id!r} has a wrong block.")
            rows[n_read:end] = block
            n_read = end
        if n_read != len(rows):
            raise CorruptValueError(f"Dataset {dataset_id!r} lacks some of its rows.")
        return rows

    def renew(self, dataset_id: str) -> None:
        if self._ttl is not None:
            blocks = self._block_keys(dataset_id, self._head(dataset_id)["blocks"])
            # The head last: what has one has all of its blocks.
            keys = [*blocks, self._keys.dataset(dataset_id)]
            self._store.run([expire(key, self._ttl) for key in keys])

    def list(self, page: PageRequest) -> Page[Dataset]:
        return self._index.page(page, lambda head: _decode(decode_record(head)))

    def delete(self, dataset_id: str) -> None:
        head = self._head(dataset_id)
        dataset = _decode(head)
        keys = self._block_keys(dataset_id, head["blocks"])
        self._store.run(
            [
                *remove([self._keys.dataset(dataset_id), *keys]),
                self._index.remove(dataset_id, dataset.created_at),
            ]
        )

    def _head(self, dataset_id: str) -> dict[str, Any]:
        value = self._store.get(self._keys.dataset(dataset_id))
        if value is None:
            raise DatasetNotFoundError(dataset_id)
        return decode_record(value)

    def _blocks(self, dataset_id: str, n_blocks: int) -> Iterator[FloatArray]:
        keys = self._block_keys(dataset_id, n_blocks)
        for start in range(0, n_blocks, _BLOCKS_PER_READ):
            for value in self._store.get_all(keys[start : start + _BLOCKS_PER_READ]):
                if value is None:
                    # Gone by now, if it was deleted while it was read.
                    self._head(dataset_id)
                    raise CorruptValueError(f"Dataset {dataset_id!r} lacks a block.")
                yield from decode_arrays(value)

    def _block_keys(self, dataset_id: str, n_blocks: int) -> Sequence[str]:
        return [self._keys.dataset_block(dataset_id, i) for i in range(n_blocks)]


def _decode(head: dict[str, Any]) -> Dataset:
    with fields_of("dataset"):
        return Dataset(
            id=head["id"],
            name=head["name"],
            n_samples=head["n_samples"],
            n_features=head["n_features"],
            columns=None if head["columns"] is None else tuple(head["columns"]),
            content_hash=head["content_hash"],
            size_bytes=head["size_bytes"],
            created_at=datetime.fromisoformat(head["created_at"]),
        )
