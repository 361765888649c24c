"""Datasets: storing tables for later fits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from gmm_engine.types import FloatArray
from service.domain.datasets import Dataset
from service.domain.pages import Page, PageRequest
from service.domain.tables import Table
from service.errors import DatasetNotFoundError, IdTakenError
from service.ports import Clock, DatasetRepository


@dataclass(frozen=True, slots=True)
class DatasetService:
    """Store, show, list and delete datasets."""

    datasets: DatasetRepository
    new_id: Callable[[], str]
    clock: Clock

    def create(
        self, table: Table, name: str | None = None, dataset_id: str | None = None
    ) -> Dataset:
        """Store a table and return what is known of it.

        With an id it is stored once, however often this is called.
        """
        if dataset_id is not None:
            with suppress(DatasetNotFoundError):
                return self.get(dataset_id)
        rows = np.ascontiguousarray(table.rows, dtype=np.float64)
        n_samples, n_features = rows.shape
        dataset = Dataset(
            id=dataset_id or self.new_id(),
            name=name,
            n_samples=n_samples,
            n_features=n_features,
            columns=table.columns,
            content_hash=content_hash(rows),
            size_bytes=rows.nbytes,
            created_at=self.clock(),
        )
        try:
            self.datasets.add(dataset, rows)
        except IdTakenError:
            # By the same request, sent twice, of which the other was faster.
            return self.get(dataset.id)
        return dataset

    def get(self, dataset_id: str) -> Dataset:
        return self.datasets.get(dataset_id)

    def list(self, page: PageRequest) -> Page[Dataset]:
        return self.datasets.list(page)

    def delete(self, dataset_id: str) -> None:
        self.datasets.delete(dataset_id)


def content_hash(rows: FloatArray) -> str:
    """Hash of the numbers alone: equal tables have equal hashes in every format."""
    digest = hashlib.sha256(f"{rows.shape[0]}x{rows.shape[1]}:".encode())
    # Adding zero turns -0.0 into 0.0, which compares equal and must hash equal.
    digest.update((rows + 0.0).astype("<f8", copy=False).data)
    return f"sha256:{digest.hexdigest()}"
