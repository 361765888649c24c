import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier, Timer

import pytest

from service.domain.fits import FitEventKind, FitRequest, FitState
from service.errors import (
    FitAlreadyFinishedError,
    FitNotFoundError,
    IdTakenError,
    InvalidRequestError,
    ModelNotFoundError,
    StaleAttemptError,
)
from tests.records import (
    FAILURE,
    NOW,
    a_checkpoint,
    a_fit,
    a_fitted_model,
    a_mixture,
    a_model,
    assert_same_mixture,
    later,
    progress_at,
)

FINISH = {
    "succeeded": lambda fits, fit: fits.succeed(fit, a_fitted_model(), later(9)),
    "failed": lambda fits, fit: fits.fail(fit, FAILURE, later(9)),
    "cancelled": lambda fits, fit: fits.cancel(fit.id, later(9)),
}


@pytest.fixture
def running(fits):
    fits.add(a_fit())
    return fits.start("f1", later(1))


def test_a_stored_fit_comes_back_equal(fits):
    request = FitRequest("d1", 3, "tied", "random", 5, 0.0, 7, 1e-9, 2**63 - 1, "née")
    fit = a_fit(request=request)
    fits.add(fit)
    assert fits.get("f1") == fit


def test_a_second_fit_with_the_same_id_is_refused(fits):
    fits.add(a_fit())
    with pytest.raises(IdTakenError):
        fits.add(a_fit(created_at=later(1)))
    assert fits.get("f1") == a_fit()


@pytest.mark.parametrize("fit_id", ["nowhere", "", "f1:0", "*"])
def test_an_unknown_fit_is_not_found(fits, fit_id):
    fits.add(a_fit())
    lost = a_fit(fit_id)
    for ask in (
        lambda: fits.get(fit_id),
        lambda: fits.start(fit_id, NOW),
        lambda: fits.report(lost, progress_at(1), []),
        lambda: fits.succeed(lost, a_fitted_model(), NOW),
        lambda: fits.fail(lost, FAILURE, NOW),
        lambda: fits.cancel(fit_id, NOW),
        lambda: fits.events(fit_id, "0", 0),
    ):
        with pytest.raises(FitNotFoundError):
            ask()


def test_starting_counts_attempts_and_keeps_the_first_start(fits):
    fits.add(a_fit())
    first = fits.start("f1", later(1))
    assert (first.status, first.attempt) == (FitState.RUNNING, 1)
    second = fits.start("f1", later(2))
    assert (second.attempt, second.started_at) == (2, later(1))
    assert fits.get("f1") == second


def test_progress_is_stored_with_its_iteration_events(fits, running):
    fits.report(running, progress_at(2), [{"iteration": 1}, {"iteration": 2}])
    assert fits.get("f1") == replace(running, progress=progress_at(2))
    iterations = [
        event.payload
        for event in fits.events("f1", "0", 0)
        if event.kind is FitEventKind.ITERATION
    ]
    assert iterations == [{"iteration": 1}, {"iteration": 2}]


def test_success_stores_the_fit_and_the_model(fits, models, running):
    fits.report(running, progress_at(2), [])
    finished = fits.succeed(running, a_fitted_model(), later(9))
    assert finished == replace(running, progress=progress_at(2)).succeeded(
        a_model(), later(9)
    )
    assert finished.fit_status == "converged"
    assert fits.get("f1") == finished
    assert models.get("m1") == a_model()
    assert_same_mixture(models.mixture("m1"), a_mixture())
    assert len(models.trajectory("m1")) == 3


def test_failure_keeps_the_progress_and_stores_the_problem(fits, running):
    fits.report(running, progress_at(2), [])
    failed = fits.fail(running, FAILURE, later(9))
    assert failed.status is FitState.FAILED
    assert failed.error == FAILURE
    assert failed.progress == progress_at(2)
    assert fits.get("f1") == failed


@pytest.mark.parametrize("is_running", [False, True])
def test_a_queued_or_running_fit_can_be_cancelled(fits, is_running):
    fits.add(a_fit())
    if is_running:
        fits.start("f1", later(1))
    cancelled = fits.cancel("f1", later(9))
    assert (cancelled.status, cancelled.finished_at) == (FitState.CANCELLED, later(9))
    assert fits.get("f1") == cancelled


@pytest.mark.parametrize("end", FINISH)
def test_a_finished_fit_refuses_every_further_write(fits, models, running, end):
    FINISH[end](fits, running)
    finished = fits.get("f1")
    events = fits.events("f1", "0", 0)
    for write in (
        lambda: fits.start("f1", NOW),
        lambda: fits.report(running, progress_at(3), [{"iteration": 3}]),
        lambda: fits.succeed(running, a_fitted_model("m2"), NOW),
        lambda: fits.fail(running, FAILURE, NOW),
    ):
        with pytest.raises(StaleAttemptError):
            write()
    verb = "was" if finished.status is FitState.CANCELLED else "has"
    with pytest.raises(FitAlreadyFinishedError, match=f"{verb} already {end}"):
        fits.cancel("f1", NOW)
    assert fits.get("f1") == finished
    assert fits.events("f1", "0", 0) == events
    with pytest.raises(ModelNotFoundError):
        models.get("m2")


def test_an_older_attempt_is_refused_and_the_newer_goes_on(fits, models, running):
    newer = fits.start("f1", later(2))
    for write in (
        lambda: fits.report(running, progress_at(3), [{"iteration": 3}]),
        lambda: fits.succeed(running, a_fitted_model("m1"), NOW),
        lambda: fits.fail(running, FAILURE, NOW),
    ):
        with pytest.raises(StaleAttemptError):
            write()
    assert fits.get("f1") == newer
    with pytest.raises(ModelNotFoundError):
        models.get("m1")
    fits.report(newer, progress_at(4), [])
    assert fits.succeed(newer, a_fitted_model("m2"), NOW).model_id == "m2"


def test_fits_are_found_by_their_state(fits):
    for number in range(6):
        fits.add(a_fit(f"f{number}", created_at=later(number)))
    for number in range(1, 6):
        fits.start(f"f{number}", NOW)
    fits.start("f1", NOW)
    fits.succeed(fits.get("f2"), a_fitted_model(), NOW)
    fits.fail(fits.get("f3"), FAILURE, NOW)
    fits.cancel("f4", NOW)
    found = {
        status: sorted(fit.id for fit in fits.with_status(status))
        for status in FitState
    }
    assert found == {
        FitState.QUEUED: ["f0"],
        FitState.RUNNING: ["f1", "f5"],
        FitState.SUCCEEDED: ["f2"],
        FitState.FAILED: ["f3"],
        FitState.CANCELLED: ["f4"],
    }


@pytest.mark.parametrize("end", FINISH)
def test_each_change_of_state_is_an_event(fits, running, end):
    FINISH[end](fits, running)
    events = fits.events("f1", "0", 0)
    assert [event.kind for event in events] == [FitEventKind.STATUS] * 3
    assert all(event.payload == {} for event in events)


def test_events_resume_after_any_of_them(fits, running):
    fits.report(running, progress_at(1), [{"i": number} for number in range(5)])
    events = fits.events("f1", "0", 0)
    for number, event in enumerate(events):
        assert fits.events("f1", event.id, 0) == events[number + 1 :]


def test_waiting_for_events_ends_with_none_after_the_timeout(fits, running):
    last = fits.events("f1", "0", 0)[-1]
    begun = time.monotonic()
    assert not fits.events("f1", last.id, 0.05)
    assert 0.04 < time.monotonic() - begun < 2


def test_an_event_ends_the_waiting(fits, running):
    last = fits.events("f1", "0", 0)[-1]
    timer = Timer(0.05, fits.cancel, ["f1", later(9)])
    timer.start()
    begun = time.monotonic()
    (event,) = fits.events("f1", last.id, 20)
    assert time.monotonic() - begun < 5
    assert event.kind is FitEventKind.STATUS
    timer.join()


def test_nobody_waits_for_events_of_a_finished_fit(fits, running):
    fits.cancel("f1", later(9))
    last = fits.events("f1", "0", 0)[-1]
    begun = time.monotonic()
    assert not fits.events("f1", last.id, 20)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("after", ["", "x", "-1", "1-", "1-2-3", "$", "9" * 30])
def test_what_is_no_event_id_is_refused(fits, running, after):
    with pytest.raises(InvalidRequestError):
        fits.events("f1", after, 0)


def a_hashed_fit(fit_id, seed=1, **fields):
    return a_fit(
        fit_id, content_hash=f"sha256:a{seed}", seedless_hash="sha256:a", **fields
    )


def test_an_equal_fit_is_found_with_its_seed_and_without(fits):
    fits.add(a_hashed_fit("f1", seed=1))
    fits.add(a_hashed_fit("f2", seed=2))
    assert fits.equal("sha256:a1").id == "f1"
    assert fits.equal("sha256:a2").id == "f2"
    assert fits.equal("sha256:a").id == "f2"
    assert fits.equal("sha256:b") is None


def test_a_running_or_succeeded_fit_is_an_equal_one(fits):
    fits.add(a_hashed_fit("f1"))
    fit = fits.start("f1", NOW)
    assert fits.equal("sha256:a").status is FitState.RUNNING
    fits.succeed(fit, a_fitted_model(), later(1))
    assert fits.equal("sha256:a").status is FitState.SUCCEEDED


def test_a_failed_or_cancelled_fit_is_no_equal_one(fits):
    fits.add(a_hashed_fit("f1"))
    fits.fail(fits.start("f1", NOW), FAILURE, later(1))
    assert fits.equal("sha256:a") is None
    fits.add(a_hashed_fit("f2"))
    fits.cancel("f2", NOW)
    assert fits.equal("sha256:a") is None


def test_a_fit_whose_model_was_deleted_is_no_equal_one(fits, models):
    fits.add(a_hashed_fit("f1"))
    fits.succeed(fits.start("f1", NOW), a_fitted_model(), later(1))
    models.delete("m1")
    assert fits.equal("sha256:a1") is None


def test_of_many_equal_fits_at_once_one_is_added(fits):
    barrier = Barrier(8)

    def add(fit_id):
        barrier.wait()
        return fits.add_unless_equal(a_hashed_fit(fit_id), "sha256:a1").id

    for turn in range(10):
        with ThreadPoolExecutor(8) as pool:
            (fit_id,) = set(pool.map(add, [f"{turn}-{n}" for n in range(8)]))
        (fit,) = fits.with_status(FitState.QUEUED)
        assert fit.id == fit_id
        # What ended without a model stands in nobody's way.
        fits.cancel(fit_id, NOW)


def test_an_equal_fit_with_and_without_a_seed_is_added_once(fits):
    barrier = Barrier(2)

    def add(fit, wanted):
        barrier.wait()
        return fits.add_unless_equal(fit, wanted).id

    with ThreadPoolExecutor(2) as pool:
        named = pool.submit(add, a_hashed_fit("f1", seed=1), "sha256:a1")
        drawn = pool.submit(add, a_hashed_fit("f2", seed=1), "sha256:a")
        assert named.result() == drawn.result()


def test_who_wants_to_be_told_of_the_end_gets_a_fit_that_is_over_or_a_new_one(fits):
    fits.add(a_hashed_fit("f1"))
    second = fits.add_unless_equal(a_hashed_fit("f2"), "sha256:a1", must_be_over=True)
    assert second.id == "f2"
    fits.succeed(fits.start("f2", NOW), a_fitted_model(), later(1))
    third = fits.add_unless_equal(a_hashed_fit("f3"), "sha256:a1", must_be_over=True)
    assert third.id == "f2"


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_an_equal_fit_that_came_to_nothing_is_replaced(fits, end):
    fits.add(a_hashed_fit("f1"))
    if end == "fail":
        fits.fail(fits.start("f1", NOW), FAILURE, later(1))
    else:
        fits.cancel("f1", NOW)
    assert fits.add_unless_equal(a_hashed_fit("f2"), "sha256:a1").id == "f2"
    assert fits.equal("sha256:a").id == "f2"


def test_a_fit_whose_id_is_taken_is_refused_though_there_is_no_equal_one(fits):
    fits.add(a_fit("f1"))
    with pytest.raises(IdTakenError):
        fits.add_unless_equal(a_hashed_fit("f1"), "sha256:a1")


def test_the_fits_that_wait_are_counted(fits):
    for fit_id in ("f1", "f2", "f3"):
        fits.add(a_fit(fit_id))
    fits.start("f1", NOW)
    fits.cancel("f2", NOW)
    assert fits.n_queued() == 1


def test_how_long_the_last_fits_took_is_known_newest_first(fits):
    assert fits.recent_seconds() == []
    for number in range(25):
        fits.add(a_fit(f"f{number}"))
        fit = fits.start(f"f{number}", later(100 * number))
        model = a_fitted_model(f"m{number}")
        fits.succeed(fit, model, later(100 * number + number + 0.5))
    fits.add(a_fit("bad"))
    fits.fail(fits.start("bad", NOW), FAILURE, later(10_000))
    assert fits.recent_seconds() == [number + 0.5 for number in range(24, 4, -1)]


def test_a_place_in_the_queue_is_not_stored(fits):
    fits.add(a_fit("f1", queue_position=7))
    assert fits.get("f1").queue_position is None


def test_the_last_checkpoint_comes_back(fits, running):
    assert fits.checkpoint("f1") is None
    fits.report(running, progress_at(2), [], a_checkpoint(2))
    fits.report(running, progress_at(3), [], a_checkpoint(3))
    fits.report(running, progress_at(4), [])
    assert fits.checkpoint("f1").iteration == 3
    newer = fits.start("f1", later(2))
    assert fits.checkpoint(newer.id).iteration == 3


def test_an_older_attempt_does_not_touch_the_checkpoint(fits, running):
    newer = fits.start("f1", later(2))
    fits.report(newer, progress_at(3), [], a_checkpoint(3))
    with pytest.raises(StaleAttemptError):
        fits.report(running, progress_at(2), [], a_checkpoint(2))
    assert fits.checkpoint("f1").iteration == 3


@pytest.mark.parametrize("end", FINISH)
def test_a_checkpoint_goes_with_the_end_of_its_fit(fits, running, end):
    fits.report(running, progress_at(2), [], a_checkpoint(2))
    FINISH[end](fits, running)
    assert fits.checkpoint("f1") is None
