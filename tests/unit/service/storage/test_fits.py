"""What only the real store can show: fencing under races, expiry, bounds, retries."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from service.domain.fits import FitEventKind, FitState
from service.domain.pages import PageRequest
from service.errors import (
    CorruptValueError,
    FitNotFoundError,
    NoTrajectoryError,
    StaleAttemptError,
)
from service.storage import fits as fits_module
from service.storage.fits import RedisFitRepository
from service.storage.keys import Keys
from service.storage.models import RedisModelRepository
from tests.records import (
    FAILURE,
    NOW,
    a_fit,
    a_fitted_model,
    later,
    progress_at,
)

KEYS = Keys()
HOUR = timedelta(hours=1)


@pytest.fixture
def fits(store_clients):
    return RedisFitRepository(store_clients)


def at_once(*calls):
    """Run the calls at the same moment; their results, or the errors they raised."""
    barrier = Barrier(len(calls))

    def run(call):
        barrier.wait()
        try:
            return call()
        except StaleAttemptError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_of_many_starts_each_gets_an_attempt_of_its_own(fits):
    fits.add(a_fit())
    started = at_once(*[lambda: fits.start("f1", NOW)] * 16)
    assert sorted(fit.attempt for fit in started) == list(range(1, 17))
    assert fits.get("f1").attempt == 16


@pytest.mark.parametrize("turn", range(10))
def test_of_two_ends_of_the_same_attempt_one_wins(fits, store_clients, turn):
    fits.add(a_fit())
    fit = fits.start("f1", NOW)
    results = at_once(
        lambda: fits.succeed(fit, a_fitted_model("m1"), later(2)),
        lambda: fits.fail(fit, FAILURE, later(2)),
        lambda: fits.succeed(fit, a_fitted_model("m2"), later(3)),
    )
    refused = [isinstance(result, StaleAttemptError) for result in results]
    assert sum(refused) == 2
    assert fits.get("f1") == results[refused.index(False)]
    assert not list(store_clients.ordinary.scan_iter("gmm:*:staged:*"))


@pytest.mark.parametrize("turn", range(10))
def test_a_late_success_and_a_new_attempt_exclude_each_other(fits, store_clients, turn):
    fits.add(a_fit())
    old = fits.start("f1", NOW)
    success, new = at_once(
        lambda: fits.succeed(old, a_fitted_model("m1"), later(2)),
        lambda: fits.start("f1", later(2)),
    )
    assert isinstance(success, StaleAttemptError) != isinstance(new, StaleAttemptError)
    model_is_stored = store_clients.ordinary.exists(KEYS.model("m1"))
    assert model_is_stored == (fits.get("f1").status is FitState.SUCCEEDED)


def test_reports_of_two_attempts_at_once_leave_only_the_newer_ones(fits):
    fits.add(a_fit())
    old = fits.start("f1", NOW)

    def report(fit, source):
        for number in range(50):
            fits.report(fit, progress_at(number), [{"from": source}])

    def restart():
        new = fits.start("f1", later(2))
        report(new, "new")

    refused, _ = at_once(lambda: report(old, "old"), restart)
    assert isinstance(refused, StaleAttemptError)
    sources = [
        event.payload.get("from", event.kind) for event in fits.events("f1", "0", 0)
    ]
    # Queued, started; the old attempt; started again; from there on the new alone.
    restarted = len(sources) - 51
    assert sources[:2] == ["status", "status"]
    assert set(sources[2:restarted]) <= {"old"}
    assert sources[restarted:] == ["status"] + ["new"] * 50


def test_a_refused_success_leaves_the_other_attempts_model_alone(fits, store_clients):
    models = RedisModelRepository(store_clients)
    fits.add(a_fit())
    old = fits.start("f1", NOW)
    new = fits.start("f1", NOW)
    fits.succeed(new, a_fitted_model("m1", n_frames=5), later(1))
    with pytest.raises(StaleAttemptError):
        fits.succeed(old, a_fitted_model("m1", n_frames=2), later(2))
    assert len(models.trajectory("m1")) == 5
    assert store_clients.ordinary.ttl(KEYS.model_parameters("m1")) == -1


def test_a_second_try_after_a_lost_answer_finds_the_first(fits, monkeypatch):
    """redis-py sends a command again when the connection broke before the answer."""
    fits.add(a_fit())
    commit = fits._store._commit

    def twice(keys, args):
        commit(keys=keys, args=args)
        return commit(keys=keys, args=args)

    monkeypatch.setattr(fits._store, "_commit", twice)
    fits.add(a_fit("f2"))
    fit = fits.start("f1", NOW)
    assert fit.attempt == 1
    fits.report(fit, progress_at(1), [{"iteration": 1}])
    assert fits.succeed(fit, a_fitted_model(), later(1)).model_id == "m1"
    assert len(fits.events("f1", "0", 0)) == 4


def test_events_are_bounded_in_number(fits, monkeypatch):
    monkeypatch.setattr(fits_module, "MAX_EVENTS", 100)
    fits.add(a_fit())
    fit = fits.start("f1", NOW)
    for start in range(0, 1000, 100):
        events = [{"iteration": number} for number in range(start, start + 100)]
        fits.report(fit, progress_at(start), events)
    kept = fits.events("f1", "0", 0)
    # "~": Redis drops whole nodes of the stream, of up to a hundred entries.
    assert 100 <= len(kept) <= 200
    assert kept[-1].payload == {"iteration": 999}


def test_large_events_are_bounded_in_bytes(fits, monkeypatch):
    monkeypatch.setattr(fits_module, "MAX_EVENT_BYTES", 100_000)
    fits.add(a_fit())
    fit = fits.start("f1", NOW)
    for number in range(40):
        fits.report(fit, progress_at(number), [{"means": "x" * 10_000}])
    assert len(fits.events("f1", "0", 0)) < 20


def test_a_fit_expires_only_after_its_end(store_clients):
    fits = RedisFitRepository(store_clients, ttl=HOUR, model_ttl=2 * HOUR)
    client = store_clients.ordinary
    fits.add(a_fit())
    fit = fits.start("f1", NOW)
    fits.report(fit, progress_at(1), [])
    assert client.ttl(KEYS.fit("f1")) == -1
    assert client.ttl(KEYS.fit_events("f1")) == -1
    fits.succeed(fit, a_fitted_model(), later(1))
    assert 3590 < client.ttl(KEYS.fit("f1")) <= 3600
    assert 3590 < client.ttl(KEYS.fit_events("f1")) <= 3600
    assert 7190 < client.ttl(KEYS.model("m1")) <= 7200
    assert 7190 < client.ttl(KEYS.model_parameters("m1")) <= 7200
    assert 7190 < client.ttl(KEYS.model_trajectory("m1", 0)) <= 7200


def test_without_a_ttl_only_the_events_of_a_finished_fit_expire(fits, store_clients):
    client = store_clients.ordinary
    fits.add(a_fit())
    fits.succeed(fits.start("f1", NOW), a_fitted_model(), later(1))
    expiring = {key for key in client.scan_iter("*") if client.ttl(key) != -1}
    assert expiring == {KEYS.fit_events("f1").encode()}


def test_a_hash_is_kept_as_long_as_its_fit(store_clients):
    fits = RedisFitRepository(store_clients, ttl=HOUR)
    client = store_clients.ordinary
    fits.add(a_fit(content_hash="sha256:a1", seedless_hash="sha256:a"))
    names = [KEYS.fit_by_hash(found) for found in ("sha256:a1", "sha256:a")]
    assert [client.ttl(name) for name in names] == [-1, -1]
    fits.cancel("f1", NOW)
    assert all(3590 < client.ttl(name) <= 3600 for name in names)


def test_an_equal_fit_that_expired_is_none(store_clients):
    fits = RedisFitRepository(store_clients, ttl=HOUR)
    fits.add(a_fit(content_hash="sha256:a1", seedless_hash="sha256:a"))
    store_clients.ordinary.delete(KEYS.fit("f1"))
    assert fits.equal("sha256:a1") is None


def test_events_expire_no_later_than_their_fit(store_clients):
    fits = RedisFitRepository(store_clients, ttl=timedelta(seconds=5))
    fits.add(a_fit())
    fits.cancel("f1", NOW)
    assert 0 < store_clients.ordinary.ttl(KEYS.fit_events("f1")) <= 5


def test_a_trajectory_may_expire_before_its_model(store_clients):
    fits = RedisFitRepository(store_clients, trajectory_ttl=HOUR)
    models = RedisModelRepository(store_clients, trajectory_ttl=HOUR)
    fits.add(a_fit())
    fits.succeed(fits.start("f1", NOW), a_fitted_model("m1"), later(1))
    models.add(a_fitted_model("m2"))
    client = store_clients.ordinary
    for model_id in ("m1", "m2"):
        assert client.ttl(KEYS.model(model_id)) == -1
        assert client.ttl(KEYS.model_parameters(model_id)) == -1
        assert 3590 < client.ttl(KEYS.model_trajectory(model_id, 0)) <= 3600
        client.delete(KEYS.model_trajectory(model_id, 0))
        with pytest.raises(NoTrajectoryError):
            models.trajectory(model_id)
        assert models.mixture(model_id).n_components == 2


def test_no_trajectory_outlives_its_model(store_clients):
    models = RedisModelRepository(store_clients, ttl=HOUR, trajectory_ttl=2 * HOUR)
    models.add(a_fitted_model())
    assert 0 < store_clients.ordinary.ttl(KEYS.model_trajectory("m1", 0)) <= 3600


def test_a_finished_fit_whose_events_expired_has_none_and_nobody_waits(
    fits, store_clients
):
    fits.add(a_fit())
    fits.cancel("f1", NOW)
    store_clients.ordinary.delete(KEYS.fit_events("f1"))
    assert fits.events("f1", "0", 60) == []


def test_an_expired_fit_is_found_nowhere(fits, store_clients):
    for number in range(5):
        fits.add(a_fit(f"f{number}", created_at=later(number)))
    store_clients.ordinary.delete(KEYS.fit("f3"))
    with pytest.raises(FitNotFoundError):
        fits.get("f3")
    assert "f3" not in [fit.id for fit in fits.with_status(FitState.QUEUED)]
    page = fits.list(PageRequest(4))
    assert [fit.id for fit in page.items] == ["f4", "f2", "f1", "f0"]
    assert page.next is None
    assert store_clients.ordinary.zcard(KEYS.fits) == 4


def test_a_list_that_nobody_reads_does_not_keep_expired_fits(store_clients):
    fits = RedisFitRepository(store_clients, ttl=HOUR)
    for number in range(200):
        fits.add(a_fit(f"f{number}", created_at=later(number)))
        store_clients.ordinary.delete(KEYS.fit(f"f{number}"))
    assert store_clients.ordinary.zcard(KEYS.fits) < 20


def test_a_record_of_other_fields_is_corrupt(fits, store_clients):
    for record in (b"{}", b"junk", b'{"id": "f1", "progress": 3}'):
        store_clients.ordinary.set(KEYS.fit("f1"), record)
        with pytest.raises(CorruptValueError):
            fits.get("f1")


def test_tenants_see_only_their_own(store_clients):
    acme = RedisFitRepository(store_clients, "acme")
    other = RedisFitRepository(store_clients, "other")
    acme.add(a_fit())
    with pytest.raises(FitNotFoundError):
        other.get("f1")
    assert other.list(PageRequest(10)).items == ()
    assert list(other.with_status(FitState.QUEUED)) == []


def test_arrays_may_be_in_an_event(fits):
    fits.add(a_fit())
    fit = fits.start("f1", NOW)
    weights = a_fitted_model().mixture.weights
    fits.report(fit, progress_at(1), [{"weights": weights}])
    event = fits.events("f1", "0", 0)[-1]
    assert event.kind is FitEventKind.ITERATION
    assert event.payload == {"weights": [1 / 3, 2 / 3]}
