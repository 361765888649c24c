"""Datasets and models beside their heads: whole or not at all, and never wrong."""

from datetime import timedelta

import numpy as np
import pytest

from service.bootstrap import Wiring
from service.domain.models import FittedModel
from service.errors import (
    CorruptValueError,
    DatasetNotFoundError,
    ModelNotFoundError,
    StorageUnavailableError,
)
from service.settings import Settings
from service.storage import datasets as datasets_module
from service.storage.datasets import RedisDatasetRepository
from service.storage.keys import Keys
from service.storage.mixtures import MixtureCache
from service.storage.models import RedisModelRepository
from tests.records import (
    a_dataset,
    a_fitted_model,
    a_mixture,
    a_model,
    assert_same_mixture,
    some_rows,
)

KEYS = Keys()
ROWS = some_rows(150_000, 2)
"""Three blocks."""


@pytest.fixture
def datasets(store_clients):
    return RedisDatasetRepository(store_clients)


@pytest.fixture
def models(store_clients):
    return RedisModelRepository(store_clients)


def test_rows_are_stored_in_blocks_of_about_one_mebibyte(datasets, store_clients):
    datasets.add(a_dataset(rows=ROWS), ROWS)
    keys = [KEYS.dataset_block("d1", number) for number in range(3)]
    assert store_clients.ordinary.exists(*keys) == 3
    assert store_clients.ordinary.strlen(keys[0]) == (1 << 20) + 32


def test_deleting_a_dataset_leaves_no_key(datasets, store_clients):
    datasets.add(a_dataset(rows=ROWS), ROWS)
    datasets.delete("d1")
    assert store_clients.ordinary.dbsize() == 0


def test_deleting_a_model_leaves_no_key(models, store_clients):
    models.add(a_fitted_model(n_frames=400))
    assert store_clients.ordinary.dbsize() == 4
    models.delete("m1")
    assert store_clients.ordinary.dbsize() == 0


def test_a_dataset_whose_writing_broke_off_leaves_nothing(
    datasets, store_clients, monkeypatch
):
    class Torn(Exception):
        pass

    def torn(rows):
        yield from list(split_rows(rows))[:2]
        raise Torn

    split_rows = datasets_module.split_rows
    monkeypatch.setattr(datasets_module, "split_rows", torn)
    with pytest.raises(Torn):
        datasets.add(a_dataset(rows=ROWS), ROWS)
    assert store_clients.ordinary.dbsize() == 0


def test_a_dataset_whose_first_blocks_expired_meanwhile_is_not_stored(
    datasets, store_clients, monkeypatch
):
    def slow(rows):
        first, *others = split_rows(rows)
        yield first
        store_clients.ordinary.flushall()
        yield from others

    split_rows = datasets_module.split_rows
    monkeypatch.setattr(datasets_module, "split_rows", slow)
    with pytest.raises(StorageUnavailableError, match="send the request again"):
        datasets.add(a_dataset(rows=ROWS), ROWS)
    assert store_clients.ordinary.dbsize() == 0


def test_until_the_head_is_written_blocks_expire(datasets, store_clients, monkeypatch):
    client = store_clients.ordinary
    ttls = []

    def watched(rows):
        for block in split_rows(rows):
            yield block
            ttls.extend(client.ttl(key) for key in client.scan_iter("*"))

    split_rows = datasets_module.split_rows
    monkeypatch.setattr(datasets_module, "split_rows", watched)
    datasets.add(a_dataset(rows=ROWS), ROWS)
    assert len(ttls) == 1 + 2 + 3
    assert all(3500 < ttl <= 3600 for ttl in ttls)
    assert {client.ttl(key) for key in client.scan_iter("*")} == {-1}


def test_a_ttl_holds_for_all_of_a_record(store_clients):
    client = store_clients.ordinary
    ttl = timedelta(seconds=100)
    RedisDatasetRepository(store_clients, ttl=ttl).add(a_dataset(rows=ROWS), ROWS)
    models = RedisModelRepository(store_clients, ttl=ttl)
    models.add(a_fitted_model())
    models.rename("m1", "better")
    lists = {KEYS.datasets.encode(), KEYS.models.encode()}
    ttls = [client.ttl(key) for key in client.scan_iter("*") if key not in lists]
    assert len(ttls) == 4 + 3
    assert all(90 < ttl <= 100 for ttl in ttls)


def test_a_renewed_dataset_lives_as_long_as_a_new_one(store_clients):
    rows = some_rows(100_000, 2)
    hour = timedelta(hours=1)
    RedisDatasetRepository(store_clients, ttl=timedelta(seconds=9)).add(
        a_dataset(rows=rows), rows
    )
    RedisDatasetRepository(store_clients, ttl=hour).renew("d1")
    client = store_clients.ordinary
    keys = list(client.scan_iter("gmm:*:dataset*:*"))
    assert len(keys) == 3
    assert all(3590 < client.ttl(key) <= 3600 for key in keys)


def test_an_expired_dataset_is_gone(store_clients):
    datasets = RedisDatasetRepository(store_clients, ttl=timedelta(milliseconds=1))
    datasets.add(a_dataset(), some_rows())
    for _ in range(1000):
        if not store_clients.ordinary.exists(KEYS.dataset("d1")):
            break
    with pytest.raises(DatasetNotFoundError):
        datasets.rows("d1")


@pytest.mark.parametrize("damage", ["changed", "cut off", "missing", "exchanged"])
def test_damaged_rows_are_never_returned(datasets, store_clients, damage):
    client = store_clients.ordinary
    datasets.add(a_dataset(rows=ROWS), ROWS)
    key = KEYS.dataset_block("d1", 1)
    if damage == "changed":
        client.setrange(key, 5000, b"\x01\x02\x03")
    elif damage == "cut off":
        client.set(key, client.get(key)[:-8])
    elif damage == "missing":
        client.delete(key)
    else:
        client.copy(KEYS.dataset_block("d1", 2), key, replace=True)
    with pytest.raises(CorruptValueError):
        datasets.rows("d1")


def test_a_dataset_deleted_while_it_is_read_is_not_found(
    datasets, store_clients, monkeypatch
):
    datasets.add(a_dataset(rows=ROWS), ROWS)
    monkeypatch.setattr(datasets_module, "_BLOCKS_PER_READ", 1)
    read = datasets._store.get_all

    def interrupted(keys):
        values = read(keys)
        if keys[0] == KEYS.dataset_block("d1", 0):
            datasets.delete("d1")
        return values

    monkeypatch.setattr(datasets._store, "get_all", interrupted)
    with pytest.raises(DatasetNotFoundError):
        datasets.rows("d1")


def test_damaged_parameters_are_never_returned(models, store_clients):
    models.add(a_fitted_model())
    store_clients.ordinary.setrange(KEYS.model_parameters("m1"), 40, b"\x01\x02")
    with pytest.raises(CorruptValueError):
        models.mixture("m1")


def test_a_model_without_its_parameters_is_corrupt(models, store_clients):
    models.add(a_fitted_model())
    store_clients.ordinary.delete(KEYS.model_parameters("m1"))
    with pytest.raises(CorruptValueError):
        models.mixture("m1")


def test_a_model_deleted_by_another_process_is_gone_from_the_cache(
    models, store_clients
):
    models.add(a_fitted_model())
    assert models.mixture("m1") is models.mixture("m1")
    RedisModelRepository(store_clients).delete("m1")
    with pytest.raises(ModelNotFoundError):
        models.mixture("m1")


def test_a_renamed_model_is_cached_once(store_clients):
    cache = MixtureCache()
    models = RedisModelRepository(store_clients, cache=cache)
    models.add(a_fitted_model())
    for number in range(5):
        models.rename("m1", f"name {number}")
        assert_same_mixture(models.mixture("m1"), a_mixture())
    assert len(cache) == 1


def test_tenants_that_share_a_cache_do_not_share_models(store_clients):
    cache = MixtureCache()
    acme = RedisModelRepository(store_clients, "acme", cache=cache)
    other = RedisModelRepository(store_clients, "other", cache=cache)
    acme.add(a_fitted_model())
    other.add(FittedModel(a_model(), a_mixture(shift=1.0)))
    for _ in range(2):
        assert_same_mixture(acme.mixture("m1"), a_mixture())
        assert_same_mixture(other.mixture("m1"), a_mixture(shift=1.0))
    assert len(cache) == 2


def test_what_a_process_caches_is_bounded_once_for_all_tenants(store_url):
    wiring = Wiring(Settings(redis_url=store_url), store_url)
    acme, other = (wiring.services_for(name).models.models for name in ("a", "b"))
    assert isinstance(acme, RedisModelRepository)
    assert isinstance(other, RedisModelRepository)
    assert acme._cache is other._cache


def test_a_large_dataset_comes_back_through_many_reads(datasets):
    rows = np.arange(3_000_000.0).reshape(-1, 3)
    datasets.add(a_dataset(rows=rows), rows)
    np.testing.assert_array_equal(datasets.rows("d1"), rows)
