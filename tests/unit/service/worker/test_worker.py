"""What a worker does when it is told to stop, step by step, in this process."""

from __future__ import annotations

import os
import resource
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer

from service.worker import worker as worker_module
from service.worker.horse import EXIT_HAND_BACK, STOP_SIGNALS, Harness, Limits
from service.worker.recovery import Records
from service.worker.worker import FitWorker
from tests.records import NOW, a_fit


class NoTimer:
    """In place of the one that ends the process, whatever the store does."""

    daemon = False

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        pass


@pytest.fixture
def worker(store_clients, fits, notes, monkeypatch):
    """A worker of this process, which it cannot end."""
    monkeypatch.setattr(worker_module, "Timer", NoTimer)
    records = Records(lambda: ["acme"], lambda _: fits, lambda: NOW)

    def no_runner(_: str) -> Any:
        raise AssertionError("nothing is computed here")

    return FitWorker(
        store_clients.blocking, records, Harness(no_runner, Limits()), notes
    )


@pytest.fixture
def job(fits, queue, connection):
    """A fit's, for a worker to begin."""
    fits.add(a_fit())
    queue.enqueue("f1")
    return Job.fetch("f1", connection, JSONSerializer)


@pytest.fixture
def handlers():
    """Those of this process, as they were before."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def away(*_: object) -> Any:
    raise RedisConnectionError("the store is away")


def stopped_with(worker: FitWorker, job: Any, status: int, monkeypatch: Any) -> None:
    """Run a job whose work-horse ends so, then stop, the store being away."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    monkeypatch.setattr(worker, "fork_work_horse", lambda *_: None)
    monkeypatch.setattr(worker, "_watch", lambda _: (status, usage))
    monkeypatch.setattr(worker, "_settle", away)
    monkeypatch.setattr(worker_module.time, "sleep", lambda _: stop_long_ago(worker))
    with pytest.raises(StopRequested):
        worker.execute_job(job, worker._queue)
    worker._note_stop()


def stop_long_ago(worker: FitWorker) -> None:
    """As if all the time had passed in which the store might have come back."""
    worker.request_stop(signal.SIGTERM, None)
    worker._stopped_at = float("-inf")


def noted(notes: Any) -> list[str]:
    return [note.name for note in notes.folder.glob("*")]


def test_a_fit_that_cannot_be_given_back_is_noted(worker, job, notes, monkeypatch):
    stopped_with(worker, job, EXIT_HAND_BACK << 8, monkeypatch)
    assert noted(notes) == [worker.execution.composite_key]


def test_a_fit_whose_work_horse_died_is_not_noted(worker, job, notes, monkeypatch):
    """It may have been what it computes: that must count, whoever is told to stop."""
    stopped_with(worker, job, signal.SIGKILL, monkeypatch)
    assert noted(notes) == []


def test_that_the_last_fit_died_says_nothing_of_the_next(
    worker, job, notes, monkeypatch
):
    worker._has_died = True
    # Told to stop with the job in its hands, before there is a work-horse.
    worker._may_stop = False
    stop_long_ago(worker)
    monkeypatch.setattr(worker, "_settle", away)
    with pytest.raises(StopRequested):
        worker.execute_job(job, worker._queue)
    worker._note_stop()
    assert noted(notes) == [worker.execution.composite_key]


@pytest.mark.parametrize("has_fit", [True, False])
def test_a_stop_while_it_waits_for_the_store_ends_only_a_worker_without_a_fit(
    worker, job, has_fit, monkeypatch
):
    if has_fit:
        assert worker._begin(job)
    answers = iter([away, lambda: "back"])

    def told_to_stop(_: float) -> None:
        worker.request_stop(signal.SIGTERM, None)

    monkeypatch.setattr(worker_module.time, "sleep", told_to_stop)
    if has_fit:
        assert worker._insist(lambda: next(answers)()) == "back"
    else:
        with pytest.raises(StopRequested):
            worker._insist(lambda: next(answers)())


def test_the_last_resort_ends_the_process_though_no_note_can_be_left(
    worker, job, monkeypatch
):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    assert worker._begin(job)
    worker._notes = SimpleNamespace(leave=away)
    with pytest.raises(RedisConnectionError):
        worker._end_at_once()
    assert codes == [0]


@pytest.mark.parametrize("is_nohup", [True, False])
def test_a_worker_outlives_its_terminal_only_with_nohup(worker, handlers, is_nohup):
    signal.signal(signal.SIGHUP, signal.SIG_IGN if is_nohup else signal.SIG_DFL)
    worker._install_signal_handlers()
    found = signal.getsignal(signal.SIGHUP)
    assert found == (signal.SIG_IGN if is_nohup else worker.request_stop)
    for number in (signal.SIGTERM, signal.SIGINT):
        assert signal.getsignal(number) == worker.request_stop


@pytest.mark.parametrize(
    ("seconds", "is_away", "in_time"),
    [(0.1, False, True), (4.0, False, False), (0.1, True, False)],
)
def test_a_store_that_answers_late_counts_as_away(
    worker, job, monkeypatch, seconds, is_away, in_time
):
    """Neither is the fit's time, and after both silence proves nothing."""
    passed = [1000.0]
    monkeypatch.setattr(worker_module.time, "monotonic", lambda: passed[0])

    def answer(*_: object) -> None:
        passed[0] += seconds
        if is_away:
            away()

    monkeypatch.setattr(worker, "maintain_heartbeats", answer)
    assert worker._beat(job, 1.0) is in_time
    assert (worker._recovery.trust_silence_from > passed[0]) is not in_time
