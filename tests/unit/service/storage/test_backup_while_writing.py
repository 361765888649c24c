"""Backups made while the service is at work hold no half of anything."""

import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from migrations.runner import migrate
from service.commands import backup as backup_command
from service.commands import restore as restore_command
from service.domain.fits import FitState
from service.domain.pages import PageRequest
from service.errors import ServiceError
from service.settings import Settings
from service.storage.backup import reading
from service.storage.connection import StoreClients
from service.storage.datasets import RedisDatasetRepository
from service.storage.fits import RedisFitRepository
from service.storage.models import RedisModelRepository
from tests.conftest import emptied
from tests.records import (
    a_dataset,
    a_fit,
    a_fitted_model,
    later,
    progress_at,
    some_rows,
)

ALL = PageRequest(10_000)
ROWS = some_rows(60_000, 5)
"""Three blocks."""


@pytest.fixture
def busy(valkey_store_url):
    clients = StoreClients(emptied(valkey_store_url))
    migrate(clients.ordinary)
    yield clients
    clients.close()


@pytest.fixture
def restored(redis_store_url):
    clients = StoreClients(emptied(redis_store_url))
    yield clients
    clients.close()


def back_up(clients, path):
    backup_command.run(Settings(redis_url=clients.url), path, force=True)


def bring_back(clients, path):
    restore_command.run(Settings(redis_url=clients.url), path, replace=True)


def write_datasets(clients, worker, stopping):
    datasets = RedisDatasetRepository(clients)
    kept = []
    for number in itertools.count():
        dataset_id = f"d-{worker}-{number}"
        datasets.add(a_dataset(dataset_id, ROWS, created_at=later(number)), ROWS)
        kept.append(dataset_id)
        if len(kept) > 3:
            datasets.delete(kept.pop(random.randrange(3)))
        if stopping.is_set():
            return


def run_fits(clients, worker, stopping):
    fits = RedisFitRepository(clients)
    models = RedisModelRepository(clients)
    for number in itertools.count():
        fit_id, model_id = f"f-{worker}-{number}", f"m-{worker}-{number}"
        fits.add(a_fit(fit_id, created_at=later(number)))
        fit = fits.start(fit_id, later(number + 1))
        for iteration in range(3):
            fits.report(fit, progress_at(iteration), [{"iteration": iteration}])
        fits.succeed(fit, a_fitted_model(model_id, fit_id=fit_id), later(number + 2))
        models.rename(model_id, f"name {number}")
        if number > 30:
            models.delete(f"m-{worker}-{number - 30}")
        if stopping.is_set():
            return


def assert_whole(clients):
    """Every record can be read with all that belongs to it, and is found."""
    datasets = RedisDatasetRepository(clients)
    fits = RedisFitRepository(clients)
    models = RedisModelRepository(clients)
    listed = {item.id for item in datasets.list(ALL).items}
    for dataset_id in listed:
        np.testing.assert_array_equal(datasets.rows(dataset_id), ROWS)
    assert listed == ids_of(clients, "dataset")
    made_from = {}
    for model in models.list(ALL).items:
        models.mixture(model.id)
        assert len(models.trajectory(model.id)) == 3
        made_from[model.fit_id] = model.id
    assert set(made_from.values()) == ids_of(clients, "model")
    unfinished = set()
    for fit in fits.list(ALL).items:
        if fit.status is FitState.SUCCEEDED:
            assert made_from.get(fit.id, fit.model_id) == fit.model_id
        else:
            unfinished.add(fit.id)
            assert fit.id not in made_from
    assert {fit.id for fit in fits.list(ALL).items} == ids_of(clients, "fit")
    waiting = [*fits.with_status(FitState.QUEUED), *fits.with_status(FitState.RUNNING)]
    assert {fit.id for fit in waiting} == unfinished
    return len(listed), len(made_from)


def ids_of(clients, kind):
    keys = clients.ordinary.scan_iter(f"gmm:default:{kind}:*")
    return {key.decode().split(":")[3] for key in keys}


def test_backups_of_a_busy_store_hold_only_whole_records(busy, restored, tmp_path):
    path, stopping = tmp_path / "store.gmm", threading.Event()
    with ThreadPoolExecutor(4) as pool:
        writers = [
            pool.submit(write, busy, worker, stopping)
            for worker, write in enumerate([write_datasets, run_fits] * 2)
        ]
        try:
            found = []
            deadline = time.monotonic() + 3
            while len(found) < 3 or time.monotonic() < deadline:
                back_up(busy, path)
                bring_back(restored, path)
                found.append(assert_whole(restored))
        finally:
            stopping.set()
    for writer in writers:
        writer.result()
    # Datasets come and go: that the last backup has one is a matter of chance.
    assert all(max(numbers) > 0 for numbers in zip(*found, strict=True))


class Meddling:
    """Stands between a backup and its store, and does something before a command."""

    def __init__(self, monkeypatch, command, key, deed):
        run = reading.Store.run

        def run_after_deed(store, commands):
            if commands[0][:2] == (command, key):
                self.deeds += 1
                deed()
            return run(store, commands)

        self.deeds = 0
        monkeypatch.setattr(reading.Store, "run", run_after_deed)


def test_a_dataset_deleted_while_it_is_read_is_left_out(
    busy, restored, tmp_path, monkeypatch
):
    datasets = RedisDatasetRepository(busy)
    for dataset_id in ("d1", "d2"):
        datasets.add(a_dataset(dataset_id, ROWS), ROWS)
    gone = []

    def delete():
        if not gone:
            gone.append("d1")
            datasets.delete("d1")

    Meddling(monkeypatch, "TYPE", b"gmm:default:dataset-block:d1:1", delete)
    back_up(busy, tmp_path / "b")
    bring_back(restored, tmp_path / "b")
    assert assert_whole(restored) == (1, 0)
    assert not list(restored.ordinary.scan_iter("*d1*"))


def test_a_model_renamed_while_it_is_read_is_read_again(
    busy, restored, tmp_path, monkeypatch
):
    models = RedisModelRepository(busy)
    models.add(a_fitted_model("m1", fit_id=None))
    names = iter("abc")

    def rename():
        if (name := next(names, None)) is not None:
            models.rename("m1", name)

    meddling = Meddling(monkeypatch, "GET", "gmm:default:model:m1", rename)
    back_up(busy, tmp_path / "b")
    assert meddling.deeds == 4
    bring_back(restored, tmp_path / "b")
    assert assert_whole(restored) == (0, 1)
    assert RedisModelRepository(restored).get("m1").name == "c"


def test_a_record_that_never_stands_still_ends_the_backup(busy, tmp_path, monkeypatch):
    models = RedisModelRepository(busy)
    models.add(a_fitted_model("m1", fit_id=None))
    Meddling(
        monkeypatch,
        "GET",
        "gmm:default:model:m1",
        lambda: models.rename("m1", "again"),
    )
    with pytest.raises(reading.NoBackupError, match="changed faster"):
        back_up(busy, tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_fit_that_ends_after_it_was_read_is_to_be_run_again(
    busy, restored, tmp_path, monkeypatch
):
    fits = RedisFitRepository(busy)
    fits.add(a_fit("f1"))
    fit = fits.start("f1", later(1))
    copy_object = reading._Copy.copy_object

    def copy_and_succeed(copy, kind, key):
        copy_object(copy, kind, key)
        if kind.name == "fit":
            fits.succeed(fit, a_fitted_model("m1", fit_id="f1"), later(2))

    monkeypatch.setattr(reading._Copy, "copy_object", copy_and_succeed)
    back_up(busy, tmp_path / "b")
    bring_back(restored, tmp_path / "b")
    assert assert_whole(restored) == (0, 0)
    restored_fits = RedisFitRepository(restored)
    assert restored_fits.get("f1") == fit
    again = restored_fits.start("f1", later(3))
    assert again == replace(fit, attempt=2)
    restored_fits.succeed(again, a_fitted_model("m2", fit_id="f1"), later(4))


def test_a_checkpoint_goes_with_its_fit_or_not_at_all(busy, restored, tmp_path):
    RedisFitRepository(busy).add(a_fit("f1"))
    busy.ordinary.set("gmm:default:fit-checkpoint:f1", b"of EM")
    busy.ordinary.set("gmm:default:fit-checkpoint:f2", b"of a fit that came later")
    back_up(busy, tmp_path / "b")
    bring_back(restored, tmp_path / "b")
    assert restored.ordinary.get("gmm:default:fit-checkpoint:f1") == b"of EM"
    assert not restored.ordinary.exists("gmm:default:fit-checkpoint:f2")


def test_what_refers_to_records_is_read_before_them(
    busy, restored, tmp_path, monkeypatch
):
    """Else the answer kept for a request would name a fit that is not there."""
    fits = RedisFitRepository(busy)
    client = busy.ordinary
    client.set("gmm:default:idempotency:old", "f0")
    copy_object = reading._Copy.copy_object

    def copy_and_submit(copy, kind, key):
        copy_object(copy, kind, key)
        if not client.exists("gmm:default:idempotency:new"):
            fits.add(a_fit("f1"))
            client.set("gmm:default:idempotency:new", "f1")

    fits.add(a_fit("f0"))
    monkeypatch.setattr(reading._Copy, "copy_object", copy_and_submit)
    back_up(busy, tmp_path / "b")
    bring_back(restored, tmp_path / "b")
    assert restored.ordinary.exists("gmm:default:idempotency:old")
    assert not restored.ordinary.exists("gmm:default:idempotency:new")


def test_a_head_that_cannot_be_read_is_copied_as_it_is(busy, restored, tmp_path):
    broken = {"gmm:default:model:m1": b"not JSON", "gmm:default:fit:f1": b"{}"}
    busy.ordinary.mset(broken)
    busy.ordinary.sadd("gmm:default:fits-queued", "f1")
    back_up(busy, tmp_path / "b")
    bring_back(restored, tmp_path / "b")
    assert restored.ordinary.mget(broken) == list(broken.values())
    assert restored.ordinary.smembers("gmm:default:fits-queued") == {b"f1"}


def test_a_key_that_is_gone_before_it_was_read_is_left_out(
    busy, restored, tmp_path, monkeypatch
):
    client = busy.ordinary
    client.set("gmm:_:a", 1)
    client.set("gmm:_:b", 1)
    records_of = reading.records_of

    def read(store, kind, key, expires_at):
        if key == b"gmm:_:a":
            client.delete(key)
        return records_of(store, kind, key, expires_at)

    monkeypatch.setattr(reading, "records_of", read)
    back_up(busy, tmp_path / "b")
    bring_back(restored, tmp_path / "b")
    assert set(restored.ordinary.scan_iter("gmm:_:?")) == {b"gmm:_:b"}


def test_a_type_that_a_backup_cannot_hold_is_named(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "KINDS", {})
    busy.ordinary.set("gmm:_:strange", 1)
    with pytest.raises(ServiceError, match="'gmm:_:strange' is of type string"):
        back_up(busy, tmp_path / "b")
