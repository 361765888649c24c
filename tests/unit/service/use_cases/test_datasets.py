from __future__ import annotations

import numpy as np
import pytest

from service.domain.tables import Table
from service.errors import DatasetNotFoundError, StorageFullError
from service.use_cases.datasets import content_hash


def test_a_stored_table_is_described(town):
    dataset = town.dataset_service.create(Table(np.ones((3, 2)), ("a", "b")), "ones")
    assert (dataset.n_samples, dataset.n_features) == (3, 2)
    assert dataset.columns == ("a", "b")
    assert dataset.size_bytes == 48
    assert town.dataset_service.get(dataset.id) == dataset
    np.testing.assert_array_equal(town.datasets.rows(dataset.id), np.ones((3, 2)))


def test_a_hash_depends_on_numbers_and_shape_alone():
    rows = np.arange(6.0).reshape(3, 2)
    assert content_hash(rows) == content_hash(np.asfortranarray(rows).copy("C"))
    assert content_hash(rows) != content_hash(rows.reshape(2, 3))
    assert content_hash(np.array([[0.0]])) == content_hash(np.array([[-0.0]]))


def test_rows_in_any_layout_and_type_are_stored_as_doubles(town):
    rows = np.asfortranarray(np.arange(6, dtype=np.int32).reshape(3, 2))
    dataset = town.dataset_service.create(Table(rows))
    stored = town.datasets.rows(dataset.id)
    assert stored.dtype == np.float64
    assert dataset.content_hash == content_hash(stored)


def test_nothing_is_left_of_a_table_that_does_not_fit(town, monkeypatch):
    def fail(*_):
        raise StorageFullError("full")

    monkeypatch.setattr(town.datasets, "add", fail)
    with pytest.raises(StorageFullError):
        town.dataset_service.create(Table(np.ones((3, 2))))


def test_a_deleted_dataset_is_not_found(town, dataset):
    town.dataset_service.delete(dataset.id)
    with pytest.raises(DatasetNotFoundError):
        town.dataset_service.get(dataset.id)
