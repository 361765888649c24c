"""What dead workers left behind: their jobs, and fits that no job stands for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import structlog
from redis import Redis
from rq import Queue, worker_registration
from rq.exceptions import AbandonedJobError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job
from rq.registry import clean_registries
from rq.utils import as_text

from service import processes
from service.domain.fits import Failure, Fit, FitState
from service.errors import (
    NotFoundError,
    ServiceError,
    StaleAttemptError,
    WorkerDiedError,
)
from service.ports import Clock, FitRepository
from service.worker.notes import StopNotes
from service.worker.queue import MAX_DEATHS, enqueue

_LOCK_SECONDS = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of all fits, of all tenants."""

    tenants: Callable[[], Iterable[str]]
    fits_for: Callable[[str], FitRepository]
    clock: Clock

    def fail(self, tenant: str, fit_id: str, error: ServiceError) -> None:
        """End a fit with an error, whichever attempt is at work on it."""
        fits = self.fits_for(tenant)
        failure = Failure(error.status, error.code, error.title, error.detail)
        try:
            fits.fail(fits.get(fit_id), failure, self.clock())
        except (StaleAttemptError, NotFoundError):
            return

    def unfinished(self) -> Iterator[tuple[str, Fit]]:
        """Every fit that a worker has to work on, with its tenant."""
        for tenant in self.tenants():
            for state in (FitState.RUNNING, FitState.QUEUED):
                for fit in self.fits_for(tenant).with_status(state):
                    yield tenant, fit


@dataclass(slots=True)
class Recovery:
    """Run at the start of each worker, and every few seconds by those that wait."""

    queue: Queue
    records: Records
    notes: StopNotes
    trust_silence_from: float = 0.0
    """Monotonic time before which a worker that is not heard of may be alive."""
    _suspects: set[str] = field(default_factory=set)
    """Fits that had no job in sight the last time."""

    def run(self) -> None:
        """Give the jobs of dead workers to others, and each unfinished fit a job."""
        connection = self.queue.connection
        # Several workers at once would do no harm, but all the work. The lock expires:
        # RQ's own, if its holder is killed, keeps everybody out for 15 minutes.
        lock = self.queue.registry_cleaning_key
        if not connection.set(lock, 1, nx=True, ex=_LOCK_SECONDS):
            return
        try:
            self._give_up_on_the_dead(connection)
            self._give_on_the_expired()
            worker_registration.clean_worker_registry(self.queue)
            self._drop_taken_ids()
            self._queue_the_forgotten()
        finally:
            connection.delete(lock)

    def _give_up_on_the_dead(self, connection: Redis) -> None:
        """Let jobs expire at once whose worker is known to be gone: as its deaths.

        Only those of this machine can be known; the others expire with their heartbeat.
        """
        registry = self.queue.started_job_registry
        for job_id, execution_id in registry.get_job_and_execution_ids(cleanup=False):
            execution = f"{job_id}:{execution_id}"
            # That it stopped holds for a worker of another boot, too, of whom nothing
            # else can be known.
            if self.notes.has(execution):
                log.info("fit handed back by a worker that stopped", fit_id=job_id)
                self._hand_back(job_id, execution_id)
                # Not before: should the store be away again, it is still needed.
                self.notes.remove(execution)
                continue
            worker = self._worker_of(connection, job_id, execution_id)
            if worker is not None and processes.is_gone(worker):
                log.warning("worker is gone", fit_id=job_id)
                connection.zadd(registry.key, {execution: 0}, xx=True)

    def _hand_back(self, job_id: str, execution_id: str) -> None:
        """Do what the worker would have done, had the store been there."""
        connection = self.queue.connection
        try:
            job = Job.fetch(job_id, connection, self.queue.serializer)
        except NoSuchJobError:
            return
        with connection.pipeline() as pipeline:
            Execution(execution_id, job_id, connection).delete(job, pipeline)
            self.queue._enqueue_job(job, pipeline, at_front=True)
            pipeline.execute()

    def _worker_of(
        self, connection: Redis, job_id: str, execution_id: str
    ) -> str | None:
        try:
            return Execution.fetch(execution_id, job_id, connection).worker_name
        except (ValueError, KeyError):
            # Expired, as it is not kept up any more; the job's record is not.
            name = connection.hget(Job.key_for(job_id), "worker_name")
            return as_text(name) if name else None

    def _give_on_the_expired(self) -> None:
        if time.monotonic() < self.trust_silence_from:
            # Only those that are known to be gone.
            started = self.queue.started_job_registry
            started.cleanup(timestamp=1, exception_handlers=[self._on_exception])
        else:
            clean_registries(self.queue, [self._on_exception])

    def _on_exception(self, job: Job, kind: type[BaseException], *_: object) -> None:
        """RQ calls this for each job it gives up or gives to another worker."""
        if kind is AbandonedJobError and not job.should_retry:
            tenant, fit_id = job.args
            error = WorkerDiedError(
                f"The worker computing the fit ended unexpectedly {MAX_DEATHS} times; "
                "the fit may need more memory than there is."
            )
            self.records.fail(tenant, fit_id, error)

    def _drop_taken_ids(self) -> None:
        """Drop ids that were taken from the queue when their job was withdrawn."""
        taken = self.queue.intermediate_queue
        for job_id in taken.get_job_ids():
            if not Job.exists(job_id, self.queue.connection):
                taken.remove(job_id)

    def _queue_the_forgotten(self) -> None:
        """Queue each unfinished fit that has no job.

        A fit whose job exists, but is neither waiting nor running, may be on its way
        from one to the other: it is taken for forgotten only the second time.
        """
        at_work = set(self.queue.job_ids)
        at_work.update(self.queue.started_job_registry.get_job_ids(cleanup=False))
        suspects = set()
        for tenant, fit in self.records.unfinished():
            if fit.id in at_work:
                continue
            exists = Job.exists(fit.id, self.queue.connection)
            if exists and fit.id not in self._suspects:
                suspects.add(fit.id)
            else:
                self._queue_again(tenant, fit)
        self._suspects = suspects

    def _queue_again(self, tenant: str, fit: Fit) -> None:
        if self.records.fits_for(tenant).get(fit.id).status.is_final:
            return
        log.warning("fit had no job", fit_id=fit.id)
        try:
            job = Job.fetch(fit.id, self.queue.connection, self.queue.serializer)
            job.delete()
        except NoSuchJobError:
            pass
        self.queue.intermediate_queue.remove(fit.id)
        begun = fit.status is FitState.RUNNING
        enqueue(self.queue, tenant, fit.id, at_front=begun)
