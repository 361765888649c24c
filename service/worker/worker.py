"""The worker process: takes fits from the queue and watches over their work-horses."""

from __future__ import annotations

import os
import signal
import uuid
from resource import struct_rusage
from types import FrameType
from typing import Any

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import now
from rq.worker import WorkerStatus

from service import processes
from service.errors import NotFoundError, ServiceError, WorkerDiedError
from service.worker import horse
from service.worker.horse import Harness
from service.worker.queue import MAX_DEATHS, rq_queue
from service.worker.recovery import Records, Recovery

INTERVAL_SECONDS = 5
"""Between heartbeats, and between looks at what other workers left."""
_WORKER_TTL_SECONDS = 20
_GRACE_SECONDS = 5
"""What a work-horse may take longer before it is killed: it ends itself in time."""

log = structlog.get_logger(__name__)


class FitWorker(Worker):
    """RQ's worker, with what it lacks to lose no fit and none's time.

    RQ as it comes notices a dead worker after minutes; its work-horse outlives it; a
    warm shutdown waits for the job's end, however far that is.
    """

    # RQ waits up to a minute between tries to reach a store that is back long since.
    max_connection_wait_time = 2.0

    def __init__(self, connection: Redis, records: Records, harness: Harness) -> None:
        super().__init__(
            [rq_queue(connection)],
            name=processes.process_name() or uuid.uuid4().hex,
            connection=connection,
            serializer=JSONSerializer,
            job_monitoring_interval=INTERVAL_SECONDS,
            maintenance_interval=INTERVAL_SECONDS,
            worker_ttl=_WORKER_TTL_SECONDS,
        )
        self.log_job_description = False
        self._records = records
        self._harness = harness
        self._recovery = Recovery(self.queues[0], records)
        self._own_kill = False
        """Whether the work-horse was killed by us, not by what it computes."""

    def run(self) -> bool:
        """Work until told to stop; False when something else ended it."""
        self.work(logging_level=None)
        return self._stop_requested

    def bootstrap(self, *_: Any, **__: Any) -> None:
        # RQ's own would add handlers to its loggers; ours are set up already.
        self.register_birth()  # type: ignore[no-untyped-call]
        self.subscribe()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.STARTED)
        log.info("worker is ready", worker=self.name)

    def get_heartbeat_ttl(self, job: Job) -> int:
        return 3 * INTERVAL_SECONDS

    def run_maintenance_tasks(self) -> None:
        try:
            self._recovery.run()
        except (RedisError, ServiceError) as error:
            log.warning("no look at what others left", error=str(error))
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ: only None

    # The work-horse's life

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        self._own_kill = False
        super().fork_work_horse(job, queue)
        # A signal between taking the job and here found nothing to kill.
        if self._stop_requested:
            self.kill_horse()

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        assert self.pid is not None
        horse.put_to(self._harness, parent_pid=self.pid)
        super().main_work_horse(job, queue)

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        # Not its process group, as RQ does: just after the fork that is still ours.
        if not self.horse_pid:
            return
        self._own_kill = True
        try:
            os.kill(self.horse_pid, sig)
        except ProcessLookupError:
            return

    def maintain_heartbeats(self, job: Job) -> None:
        try:
            self._end_if_useless(job)
            super().maintain_heartbeats(job)
        except (RedisError, ServiceError) as error:
            # The work-horse is not to suffer from a store that is away for a moment.
            log.warning("no heartbeat", fit_id=job.id, error=str(error))

    def set_current_job_working_time(
        self, current_job_working_time: float, pipeline: Pipeline | None = None
    ) -> None:
        try:
            super().set_current_job_working_time(current_job_working_time, pipeline)
        except RedisError as error:
            log.warning("no heartbeat", error=str(error))

    def _end_if_useless(self, job: Job) -> None:
        """Kill a work-horse whose fit is over: it may not notice by itself."""
        tenant, fit_id = job.args
        limit = self._harness.limits.time_seconds
        if limit and self.current_job_working_time > limit + _GRACE_SECONDS:
            self._records.fail(tenant, fit_id, horse.time_limit_error(limit))
        try:
            over = self._records.fits_for(tenant).get(fit_id).status.is_final
        except NotFoundError:
            over = True
        if over:
            self._stopped_job_id = job.id
            self.kill_horse()

    def handle_work_horse_killed(
        self, job: Job, retpid: int, ret_val: int, rusage: struct_rusage
    ) -> None:
        if self._own_kill:
            return
        died = _how_it_died(ret_val, rusage)
        log.warning("work-horse died", fit_id=job.id, how=died)
        if not job.should_retry:
            tenant, fit_id = job.args
            error = WorkerDiedError(
                f"The process computing the fit was ended {MAX_DEATHS} times, at last "
                f"{died}; it may need more memory than there is: ask for fewer "
                "components, or send fewer rows."
            )
            self._records.fail(tenant, fit_id, error)

    def handle_job_failure(
        self, job: Job, queue: Queue, *args: Any, **options: Any
    ) -> None:
        if self._own_kill and self._stopped_job_id != job.id and not self.is_horse:
            self._hand_back(job, queue)
        else:
            super().handle_job_failure(job, queue, *args, **options)

    def _hand_back(self, job: Job, queue: Queue) -> None:
        """Put a job back in front, for another worker, without counting it as a try."""
        log.info("fit handed back", fit_id=job.id)
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline=pipeline)
            queue._enqueue_job(job, pipeline=pipeline, at_front=True)
            pipeline.execute()

    # Signals

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Hand the running fit back and stop; RQ would wait for the fit's end."""
        self._shutdown_requested_date = now()
        self._stop_requested = True
        signal.signal(signal.SIGINT, self.request_force_stop)
        signal.signal(signal.SIGTERM, self.request_force_stop)
        if self.get_state() == WorkerStatus.BUSY:
            self.kill_horse()
        else:
            raise StopRequested


def _how_it_died(status: int, rusage: struct_rusage) -> str:
    peak = f"with a peak of {rusage.ru_maxrss >> 10} MiB of memory"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"by signal {number} ({signal.Signals(number).name}), {peak}"
    return f"with exit code {os.waitstatus_to_exitcode(status)}, {peak}"
