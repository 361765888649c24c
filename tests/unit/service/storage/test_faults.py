"""The store down, stopped, restarted, full: one documented error, and nothing lost."""

import os
import signal
import threading
import time

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ResponseError

from migrations.runner import MIGRATIONS
from service.bootstrap import Probe
from service.domain.fits import FitState
from service.domain.pages import PageRequest
from service.errors import (
    DatasetNotFoundError,
    StorageFullError,
    StorageUnavailableError,
)
from service.storage.connection import StoreClients
from service.storage.datasets import RedisDatasetRepository
from service.storage.embedded import server_binary
from service.storage.errors import translate_redis_errors
from service.storage.fits import RedisFitRepository
from service.storage.keys import SCHEMA_VERSION
from service.storage.models import RedisModelRepository
from tests.conftest import running_server
from tests.records import (
    FAILURE,
    NOW,
    a_dataset,
    a_fit,
    a_fitted_model,
    later,
    progress_at,
    some_rows,
)

FORKS = pytest.mark.filterwarnings(
    # From Python 3.12 on; the children here do next to nothing.
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)
REFUSALS = [
    OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
    # Redis 6.2, from a script.
    ResponseError(
        "Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM "
        "command not allowed when used memory > 'maxmemory'."
    ),
    ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
]


@pytest.fixture
def own_server():
    with running_server(server_binary()) as url:
        yield url


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_for_want_of_room_is_a_full_store(error):
    with pytest.raises(StorageFullError) as raised, translate_redis_errors():
        raise error
    assert raised.value.__cause__ is error


def test_any_other_error_is_an_unavailable_store():
    with pytest.raises(StorageUnavailableError), translate_redis_errors():
        raise RedisConnectionError("refused")


def test_other_exceptions_pass():
    with pytest.raises(KeyError), translate_redis_errors():
        raise KeyError("x")


@pytest.mark.parametrize(
    "url", ["unix:///nowhere/store.sock", "redis://127.0.0.1:1", "rediss://127.0.0.1:1"]
)
def test_a_store_that_is_down_is_unavailable_to_every_method(url):
    clients = StoreClients(url)
    datasets = RedisDatasetRepository(clients)
    fits = RedisFitRepository(clients)
    models = RedisModelRepository(clients)
    fit = a_fit()
    for ask in (
        lambda: datasets.add(a_dataset(), some_rows()),
        lambda: datasets.rows("d1"),
        lambda: models.list(PageRequest(1)),
        lambda: models.mixture("m1"),
        lambda: fits.add(fit),
        lambda: fits.succeed(fit, a_fitted_model(), NOW),
        lambda: list(fits.with_status(FitState.QUEUED)),
        lambda: fits.events("f1", "0", 1),
    ):
        with pytest.raises(StorageUnavailableError):
            ask()
    clients.close()


def test_a_store_that_stands_still_is_unavailable_and_heals(own_server):
    clients = StoreClients(own_server, timeout_seconds=0.2)
    fits = RedisFitRepository(clients)
    fits.add(a_fit())
    pid = clients.ordinary.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(StorageUnavailableError):
        fits.get("f1")
    assert time.monotonic() - begun < 2
    os.kill(pid, signal.SIGCONT)
    assert fits.get("f1") == a_fit()
    clients.close()


def test_a_probe_does_not_wait_long_for_a_store_that_stands_still(own_server):
    probe, clients = Probe(own_server), StoreClients(own_server)
    clients.ordinary.set(SCHEMA_VERSION, len(MIGRATIONS))
    probe.check()
    pid = clients.ordinary.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    for ask in (probe.check, probe.take_census):
        begun = time.monotonic()
        with pytest.raises(StorageUnavailableError):
            ask()
        assert time.monotonic() - begun < 2
    os.kill(pid, signal.SIGCONT)
    probe.check()
    assert probe.take_census().n_queued == 0
    probe.clients.close()
    clients.close()


def test_connections_that_the_store_closed_are_made_anew(store_clients):
    fits = RedisFitRepository(store_clients)
    fits.add(a_fit())
    fits.events("f1", "0", 0.001)
    for _ in range(2):
        # Itself not among them: the answer must arrive.
        store_clients.blocking.client_kill_filter(_type="normal", skipme=True)
        store_clients.ordinary.client_kill_filter(_type="normal", skipme=True)
        assert fits.get("f1") == a_fit()
        assert fits.events("f1", "0", 0.01)


@FORKS
def test_clients_work_in_a_child_made_by_fork(store_clients):
    fits = RedisFitRepository(store_clients)
    fits.add(a_fit())
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, fits.start("f1", NOW).status.encode())
        finally:
            os._exit(0)
    assert os.read(read, 100) == b"running"
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    assert fits.get("f1").attempt == 1


def test_a_dead_store_ends_the_waiting_for_events():
    with running_server(server_binary()) as url:
        clients = StoreClients(url)
        fits = RedisFitRepository(clients)
        fits.add(a_fit())
        last = fits.events("f1", "0", 0)[-1]
        pid = clients.ordinary.info("server")["process_id"]
        killer = threading.Timer(0.1, os.kill, [pid, signal.SIGKILL])
        killer.start()
        with pytest.raises(StorageUnavailableError):
            fits.events("f1", last.id, 30)
        killer.join()
        clients.close()


@pytest.fixture
def full(store_clients):
    """Fill a store that has a queued fit f0, a running f1 and a model m0."""
    fits = RedisFitRepository(store_clients)
    for fit_id in ("f0", "f1", "f2"):
        fits.add(a_fit(fit_id))
    fits.start("f1", NOW)
    fits.start("f2", NOW)
    RedisModelRepository(store_clients).add(a_fitted_model("m0"))
    used = store_clients.ordinary.info("memory")["used_memory"]
    store_clients.ordinary.config_set("maxmemory", used // 2)
    return store_clients


def test_a_full_store_refuses_whole_records_and_keeps_what_it_has(full):
    before = sorted(full.ordinary.scan_iter("*"))
    datasets, fits = RedisDatasetRepository(full), RedisFitRepository(full)
    models = RedisModelRepository(full)
    running = fits.get("f1")
    for write in (
        lambda: datasets.add(a_dataset(), some_rows()),
        lambda: fits.add(a_fit("f9")),
        lambda: models.add(a_fitted_model()),
        lambda: models.rename("m0", "a longer name"),
        lambda: fits.report(running, progress_at(1), [{"iteration": 1}]),
        lambda: fits.succeed(running, a_fitted_model(), later(1)),
    ):
        with pytest.raises(StorageFullError):
            write()
    assert sorted(full.ordinary.scan_iter("*")) == before
    assert fits.get("f1") == running
    assert len(models.trajectory("m0")) == 3


def test_in_a_full_store_fits_still_start_and_end(full):
    fits = RedisFitRepository(full)
    assert fits.start("f0", NOW).status is FitState.RUNNING
    assert fits.fail(fits.get("f1"), FAILURE, NOW).status is FitState.FAILED
    assert fits.cancel("f2", NOW).status is FitState.CANCELLED
    assert fits.get("f1").error == FAILURE


def test_deleting_makes_room_in_a_full_store(store_clients):
    datasets = RedisDatasetRepository(store_clients)
    rows = some_rows(400_000, 2)
    datasets.add(a_dataset(rows=rows), rows)
    used = store_clients.ordinary.info("memory")["used_memory"]
    store_clients.ordinary.config_set("maxmemory", used + 4_000_000)
    with pytest.raises(StorageFullError):
        datasets.add(a_dataset("d2", rows=rows), rows)
    with pytest.raises(DatasetNotFoundError):
        datasets.get("d2")
    datasets.delete("d1")
    _add_when_freed(datasets, rows)
    assert datasets.get("d2").n_samples == 400_000


def _add_when_freed(datasets, rows):
    """UNLINK frees memory in a thread of the server: a moment later."""
    for _ in range(50):
        try:
            datasets.add(a_dataset("d2", rows=rows), rows)
            return
        except StorageFullError:
            time.sleep(0.02)
