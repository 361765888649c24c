"""What dead workers can leave behind, brought about step by step."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from service import processes
from service.domain.fits import FitState
from service.worker.queue import MAX_DEATHS
from service.worker.recovery import Recovery
from tests.records import a_fit, later


def take(jobs: Queue) -> Job:
    """Take the first job from the queue, as a worker does."""
    taken = Queue.dequeue_any([jobs], None, jobs.connection, serializer=JSONSerializer)
    assert taken is not None
    return taken[0]


def begin(jobs: Queue, worker: str) -> Job:
    """Take a job and begin to run it, as a worker and its work-horse do."""
    job = take(jobs)
    with jobs.connection.pipeline() as pipeline:
        Execution.create(job, 15, pipeline, worker_name=worker)
        job.prepare_for_execution(worker, pipeline)
        pipeline.lrem(jobs.intermediate_queue_key, 1, job.id)
        pipeline.execute()
    return job


@pytest.fixture(scope="module")
def dead_worker() -> str:
    """The name of a worker of this machine that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as process:
        name = processes.process_name(process.pid)
        process.kill()
    assert name is not None
    return name


@pytest.mark.parametrize("state", [FitState.QUEUED, FitState.RUNNING])
def test_a_fit_without_a_job_is_queued(recovery, fits, jobs, state):
    fits.add(a_fit())
    if state is FitState.RUNNING:
        fits.start("f1", later(1))
    recovery.run()
    assert jobs.job_ids == ["f1"]


def test_a_fit_that_waits_is_not_queued_again(recovery, fits, jobs, queue):
    fits.add(a_fit())
    queue.enqueue("f1")
    recovery.run()
    recovery.run()
    assert jobs.job_ids == ["f1"]


def test_a_fit_that_is_over_is_not_queued(recovery, fits, jobs):
    fits.add(a_fit())
    fits.cancel("f1", later(1))
    recovery.run()
    assert jobs.job_ids == []


def test_a_job_between_queue_and_work_horse_is_given_time_once(
    recovery, fits, jobs, queue
):
    fits.add(a_fit())
    queue.enqueue("f1")
    take(jobs)
    recovery.run()
    assert jobs.job_ids == []
    recovery.run()
    assert jobs.job_ids == ["f1"]
    assert jobs.intermediate_queue.get_job_ids() == []


def test_a_job_of_a_living_worker_is_left_alone(recovery, fits, jobs, queue):
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, processes.process_name() or "")
    fits.start("f1", later(1))
    recovery.run()
    recovery.run()
    assert jobs.job_ids == []


def test_a_job_of_a_dead_worker_of_this_machine_is_given_on_at_once(
    recovery, fits, jobs, queue, dead_worker
):
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, dead_worker)
    fits.start("f1", later(1))
    recovery.run()
    assert jobs.job_ids == ["f1"]


def test_a_job_of_another_machine_is_given_on_when_its_heartbeat_is_over(
    recovery, fits, jobs, queue
):
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, "elsewhere-1-1")
    fits.start("f1", later(1))
    recovery.run()
    assert jobs.job_ids == []
    started = jobs.started_job_registry.key
    (execution,) = jobs.connection.zrange(started, 0, -1)
    jobs.connection.zincrby(started, -20, execution)
    recovery.run()
    assert jobs.job_ids == ["f1"]


def test_a_fit_whose_worker_died_three_times_fails(
    recovery, fits, jobs, queue, dead_worker
):
    fits.add(a_fit())
    queue.enqueue("f1")
    for attempt in (1, 2, 3):
        assert fits.get("f1").status is not FitState.FAILED
        begin(jobs, dead_worker)
        fits.start("f1", later(attempt))
        recovery.run()
    fit = fits.get("f1")
    assert fit.status is FitState.FAILED
    assert fit.error is not None
    assert fit.error.code == "worker-died"
    recovery.run()
    assert jobs.job_ids == []


def test_a_job_that_rq_gave_up_is_queued_again_while_its_fit_is_not_over(
    recovery, fits, jobs, queue
):
    fits.add(a_fit())
    queue.enqueue("f1")
    job = take(jobs)
    jobs.intermediate_queue.remove("f1")
    with jobs.connection.pipeline() as pipeline:
        job.set_status("failed", pipeline)
        FailedJobRegistry(queue=jobs).add(job, ttl=60, pipeline=pipeline)
        pipeline.execute()
    recovery.run()
    recovery.run()
    assert jobs.job_ids == ["f1"]


def test_only_one_worker_at_a_time_looks(recovery, fits, jobs):
    fits.add(a_fit())
    jobs.connection.set(jobs.registry_cleaning_key, 1)
    recovery.run()
    assert jobs.job_ids == []


def test_ids_of_withdrawn_jobs_do_not_stay_behind(recovery, jobs, queue):
    queue.enqueue("f1")
    job = take(jobs)
    job.delete()
    recovery.run()
    assert jobs.intermediate_queue.get_job_ids() == []


def test_a_worker_known_to_be_gone_is_given_up_though_silence_proves_nothing(
    recovery, fits, jobs, queue, dead_worker
):
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, dead_worker)
    fits.start("f1", later(1))
    # Since the store was away: its own record has expired.
    jobs.connection.delete(*jobs.connection.keys("rq:execution:*"))
    recovery.trust_silence_from = math.inf
    recovery.run()
    assert jobs.job_ids == ["f1"]


def test_after_the_store_was_away_silence_proves_nothing(recovery, fits, jobs, queue):
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, "elsewhere-1-1")
    fits.start("f1", later(1))
    started = jobs.started_job_registry.key
    (execution,) = jobs.connection.zrange(started, 0, -1)
    jobs.connection.zincrby(started, -20, execution)
    recovery.trust_silence_from = math.inf
    recovery.run()
    assert jobs.job_ids == []


def test_a_fit_handed_back_to_an_absent_store_has_not_died(
    recovery, fits, jobs, queue, notes, dead_worker
):
    fits.add(a_fit())
    queue.enqueue("f1")
    for attempt in range(1, 6):
        job = begin(jobs, dead_worker)
        fits.start("f1", later(attempt))
        started = jobs.started_job_registry
        ((_, execution_id),) = started.get_job_and_execution_ids(cleanup=False)
        notes.leave(f"{job.id}:{execution_id}")
        recovery.run()
        assert jobs.job_ids == ["f1"]
        assert started.get_job_ids(cleanup=False) == []
    job = Job.fetch("f1", jobs.connection, JSONSerializer)
    assert job.retries_left == MAX_DEATHS - 1
    assert list(notes.folder.iterdir()) == []
    # Without a note it is a death again.
    begin(jobs, dead_worker)
    recovery.run()
    job.refresh()
    assert job.retries_left == MAX_DEATHS - 2


@pytest.mark.parametrize("is_long_ago", [True, False])
def test_a_note_counts_from_a_machine_that_has_been_started_anew(
    recovery, fits, jobs, queue, notes, is_long_ago
):
    """Of a worker of another boot nobody can say that it is gone."""
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, "beforethereboot-7-7")
    fits.start("f1", later(1))
    started = jobs.started_job_registry.key
    (execution,) = jobs.connection.zrange(started, 0, -1)
    notes.leave(execution.decode())
    if is_long_ago:
        jobs.connection.zincrby(started, -20, execution)
        jobs.connection.delete(*jobs.connection.keys("rq:execution:*"))
    recovery.run()
    assert jobs.job_ids == ["f1"]
    job = Job.fetch("f1", jobs.connection, JSONSerializer)
    assert job.retries_left == MAX_DEATHS - 1


def test_a_note_is_there_until_the_fit_is_handed_back(
    recovery, fits, jobs, queue, notes, dead_worker, monkeypatch
):
    fits.add(a_fit())
    queue.enqueue("f1")
    begin(jobs, dead_worker)
    fits.start("f1", later(1))
    ((_, execution_id),) = jobs.started_job_registry.get_job_and_execution_ids(
        cleanup=False
    )
    notes.leave(f"f1:{execution_id}")

    def away(*_):
        raise ConnectionError("the store is away again")

    with monkeypatch.context() as patched:
        patched.setattr(Recovery, "_hand_back", away)
        with pytest.raises(ConnectionError):
            recovery.run()
    recovery.run()
    job = Job.fetch("f1", jobs.connection, JSONSerializer)
    assert job.retries_left == MAX_DEATHS - 1
    assert list(notes.folder.iterdir()) == []
