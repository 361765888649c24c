"""The worker process: takes fits from the queue and watches over their work-horses.

The work-horse only computes; what becomes of the job is settled here, after its end, by
what the fit's record says. So it does not matter how a work-horse ended, and while the
store is away, it goes on, and we wait.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from resource import struct_rusage
from threading import Timer
from types import FrameType
from typing import Any, NoReturn, TypeVar

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker, worker_registration
from rq.exceptions import DequeueTimeout, StopRequested
from rq.executions import Execution
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import HorseMonitorTimeoutException
from rq.utils import now
from rq.worker import WorkerStatus

from service import processes
from service.errors import (
    NotFoundError,
    ServiceError,
    StorageFullError,
    StorageUnavailableError,
    WorkerDiedError,
)
from service.worker import horse
from service.worker.horse import EXIT_HAND_BACK, STOP_SIGNALS, Harness
from service.worker.notes import StopNotes
from service.worker.queue import MAX_DEATHS, forget, rq_queue
from service.worker.recovery import Records, Recovery

Answer = TypeVar("Answer")

INTERVAL_SECONDS = 3
"""Between heartbeats, and between looks at what other workers left."""
HEARTBEAT_SECONDS = 3 * INTERVAL_SECONDS
"""A worker not heard of for so long is taken for dead."""
STOP_SECONDS = 7.0
"""From the signal to the end of this process, whatever the store does."""
_HAND_BACK_SECONDS = 2.0
"""What a work-horse may take for its last checkpoint."""
_SETTLE_SECONDS = 5.0
"""From the signal to the last try to give the fit back."""
_GRACE_SECONDS = 5
"""What a work-horse may take longer before it is killed: it ends itself in time."""
_EXCUSED_SHARE = 2.0
"""How much longer a work-horse may be without the store than we are: it asks less and
less often, and hears later that the store is back."""
_LATE_SECONDS = 2.0
"""A store that answers so late was away."""
_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 2.0

log = structlog.get_logger(__name__)


class FitWorker(Worker):
    """RQ's worker, with what it lacks to lose no fit and none's time.

    RQ as it comes notices a dead worker after minutes; its work-horse outlives it; it
    ends when the store is away; a warm shutdown waits for the job's end, however far
    that is.
    """

    def __init__(
        self, connection: Redis, records: Records, harness: Harness, notes: StopNotes
    ) -> None:
        super().__init__(
            [rq_queue(connection)],
            name=processes.process_name() or uuid.uuid4().hex,
            connection=connection,
            serializer=JSONSerializer,
            maintenance_interval=INTERVAL_SECONDS,
        )
        self._queue = self.queues[0]
        self._records = records
        self._harness = harness
        self._notes = notes
        self._recovery = Recovery(self._queue, records, notes)
        self._own_kill = False
        """Whether the work-horse was killed by us, not by what it computes."""
        self._has_died = False
        """Whether the work-horse was killed by what it computes, or by others."""
        self._may_stop = True
        """Whether a signal may end what we do now."""
        self._stopped_at = 0.0
        """When that signal came."""

    @property
    def connection_timeout(self) -> int:
        return INTERVAL_SECONDS + 5

    def _set_ip_address(self, connection: Redis) -> None:
        # RQ's own asks the store, which may be away, for what nobody reads.
        self.ip_address = "unknown"

    def run(self) -> None:
        """Work until told to stop, and wait for the store when it is away."""
        self._install_signal_handlers()
        # Others may have had no chance yet to be heard since the store was away.
        self._distrust_silence()
        try:
            self._insist(self._introduce)
            log.info("worker is ready", worker=self.name)
            while not self._stop_requested:
                if job := self._insist(self._next_job):
                    self.execute_job(job, self._queue)
        except StopRequested:
            log.info("worker stops", worker=self.name)
            self._note_stop()
        finally:
            self._may_stop = False
            self._leave()

    def _install_signal_handlers(self) -> None:
        for number in processes.stop_signals():
            signal.signal(number, self.request_stop)

    # Between fits

    def _introduce(self) -> None:
        """Make ourselves known; again, should the store have forgotten us."""
        self.birth_date = self.birth_date or now()
        self.last_heartbeat = now()
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping=self.serialize())
            worker_registration.register(self, pipeline)
            pipeline.expire(self.key, HEARTBEAT_SECONDS)
            pipeline.execute()
        if self.pubsub_thread is None:
            self.subscribe()  # type: ignore[no-untyped-call]

    def _leave(self) -> None:
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except RedisError as error:
            log.warning("worker not signed off", worker=self.name, error=str(error))

    def _next_job(self) -> Job | None:
        """Wait a while for a fit; None when none came."""
        self._introduce()
        if self.should_run_maintenance_tasks:
            self.run_maintenance_tasks()
        began = time.monotonic()
        self._may_stop = True
        try:
            taken = Queue.dequeue_any(
                [self._queue],
                INTERVAL_SECONDS,
                connection=self.connection,
                serializer=JSONSerializer,
            )
        except DequeueTimeout:
            taken = None
        finally:
            self._may_stop = False
        if time.monotonic() - began > INTERVAL_SECONDS + _LATE_SECONDS:
            self._distrust_silence()
        return None if taken is None else taken[0]

    def run_maintenance_tasks(self) -> None:
        try:
            self._recovery.run()
        except ServiceError as error:
            log.warning("no look at what others left", error=str(error))
        self.last_cleaned_at = now()  # type: ignore[assignment]  # RQ: only None

    def _distrust_silence(self) -> None:
        """After the store was away nobody's heartbeat proves anything for a while."""
        self._recovery.trust_silence_from = time.monotonic() + HEARTBEAT_SECONDS

    # One fit

    def execute_job(self, job: Job, queue: Queue) -> None:
        self._own_kill = self._has_died = False
        n_retries = job.retries_left or 0
        if not self._insist(lambda: self._begin(job)):
            return
        if self._stop_requested:
            self._insist(lambda: self._settle(job, n_retries, EXIT_HAND_BACK << 8))
            return
        self.fork_work_horse(job, queue)
        status, rusage = self._watch(job)
        how = None if self._own_kill else _how_it_died(status, rusage)
        self._has_died = how is not None
        self._insist(lambda: self._settle(job, n_retries, status, how))

    def _begin(self, job: Job) -> bool:
        """Note that the job is ours; False when it is another worker's."""
        own = None if self.execution is None else self.execution.composite_key
        others = set(_executions(self._queue, job.id)) - {own}
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(self._queue.intermediate_queue_key, 1, job.id)
            if not others:
                self._note_execution(job, pipeline)
            pipeline.execute()
        return not others

    def _note_execution(self, job: Job, pipeline: Any) -> None:
        if self.execution is not None:
            # Of a first try, whose answer was lost.
            self.execution.delete(job, pipeline)
        self.execution = Execution.create(
            job, HEARTBEAT_SECONDS, pipeline, worker_name=self.name
        )
        self.set_state(WorkerStatus.BUSY, pipeline)
        self.set_current_job_id(job.id, pipeline)
        job.prepare_for_execution(self.name, pipeline)

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        # A signal must find either our handlers or the work-horse's.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            pid = os.fork()
            if pid == 0:
                self._be_work_horse(job)
            self._horse_pid = pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        # A signal between taking the job and here found nobody to tell.
        if self._stop_requested:
            self._tell_horse_to_stop()

    def _be_work_horse(self, job: Job) -> NoReturn:
        code = os.EX_SOFTWARE
        try:
            os.setpgrp()
            tenant, fit_id = job.args
            assert self.pid is not None
            code = self._harness.run(tenant, fit_id, parent_pid=self.pid)
            sys.stderr.flush()
        finally:
            # Nothing of the worker's own: it has that still before it.
            os._exit(code)

    def _watch(self, job: Job) -> tuple[int, struct_rusage]:
        """Wait for the work-horse's end, and keep the job ours until then."""
        began = beat_at = time.monotonic()
        excused = 0.0
        while not self._horse_ends_within_a_second():
            seconds = time.monotonic() - began
            hand_back_due = self._stopped_at + _HAND_BACK_SECONDS
            if self._stop_requested and time.monotonic() > hand_back_due:
                self.kill_horse()
            if time.monotonic() - beat_at >= INTERVAL_SECONDS:
                if not self._beat(job, seconds - excused):
                    # The work-horse's clock stood still as well.
                    excused += _EXCUSED_SHARE * (time.monotonic() - beat_at)
                beat_at = time.monotonic()
        _, status, rusage = os.wait4(self.horse_pid, 0)
        self._horse_pid = 0
        return status, rusage

    def _horse_ends_within_a_second(self) -> bool:
        try:
            with self.death_penalty_class(1, HorseMonitorTimeoutException):
                # Left in its place: the alarm may come between its end and our noting.
                os.waitid(os.P_PID, self.horse_pid, os.WEXITED | os.WNOWAIT)
        except HorseMonitorTimeoutException:
            return False
        return True

    def _beat(self, job: Job, seconds: float) -> bool:
        """Tell that the job is ours still; the work-horse does not need the store.

        `seconds`: how long it was at work. Returns whether the store took note in time.
        """
        began, is_noted = time.monotonic(), False
        try:
            self._end_if_useless(job, seconds)
            self.maintain_heartbeats(job)
            is_noted = time.monotonic() - began <= _LATE_SECONDS
        except (RedisError, ServiceError) as error:
            log.debug("no heartbeat", fit_id=job.id, error=str(error))
        if not is_noted:
            self._distrust_silence()
        return is_noted

    def get_heartbeat_ttl(self, job: Job) -> int:
        return HEARTBEAT_SECONDS

    def _end_if_useless(self, job: Job, seconds: float) -> None:
        """Kill a work-horse whose fit is over: it may not notice by itself."""
        tenant, fit_id = job.args
        limit = self._harness.limits.time_seconds
        if limit and seconds > limit + _GRACE_SECONDS:
            self._records.fail(tenant, fit_id, horse.time_limit_error(limit))
        if self._is_over(tenant, fit_id):
            self.kill_horse()

    def _is_over(self, tenant: str, fit_id: str) -> bool:
        try:
            return self._records.fits_for(tenant).get(fit_id).status.is_final
        except NotFoundError:
            return True

    def _settle(
        self, job: Job, n_retries: int, status: int, died: str | None = None
    ) -> None:
        """Do with the job what the fit's record says, however the work-horse ended."""
        tenant, fit_id = job.args
        assert self.execution is not None
        # While the store was away it may have been given to another worker.
        is_ours = _executions(self._queue, fit_id) == [self.execution.composite_key]
        is_over = self._is_over(tenant, fit_id)
        is_death = not is_over and is_ours and died is not None
        if is_death:
            log.warning("work-horse died", fit_id=fit_id, how=died)
            job.retries_left = n_retries - 1
            if n_retries == 0:
                self._records.fail(tenant, fit_id, _worker_died(died))
                is_over = True
        with self.connection.pipeline() as pipeline:
            self.execution.delete(job, pipeline)
            self.set_current_job_id(None, pipeline)
            self.set_state(WorkerStatus.IDLE, pipeline)
            if is_over:
                forget(self._queue, fit_id, pipeline)
            elif is_ours:
                # In front: a fit that had begun goes on before others begin.
                self._queue._enqueue_job(job, pipeline, at_front=True)
            pipeline.execute()
        self.execution = None
        if is_ours and not is_over and not is_death:
            log.info("fit handed back", fit_id=fit_id, status=status)

    # Signals and commands

    def kill_horse(self, sig: signal.Signals = signal.SIGKILL) -> None:
        # Not its process group, as RQ does: just after the fork that is still ours.
        if not self.horse_pid:
            return
        self._own_kill = True
        try:
            os.kill(self.horse_pid, sig)
        except ProcessLookupError:
            return

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Hand the running fit back and stop; RQ would wait for the fit's end."""
        if self._stop_requested:
            return
        self._stop_requested = True
        self._stopped_at = time.monotonic()
        # A work-horse dies with us.
        last_resort = Timer(STOP_SECONDS, self._end_at_once)
        last_resort.daemon = True
        last_resort.start()
        if self.horse_pid:
            self._tell_horse_to_stop()
        elif self._may_stop:
            raise StopRequested

    def _end_at_once(self) -> None:
        try:
            self._note_stop()
        finally:
            os._exit(0)

    def _note_stop(self) -> None:
        """Leave word for who finds our fit, if we could not give it back."""
        # One look: the last resort runs beside what may just give it back.
        execution = self.execution
        if execution is not None and not self._has_died:
            self._notes.leave(execution.composite_key)

    def _tell_horse_to_stop(self) -> None:
        self.kill_horse(signal.SIGTERM)

    def _pubsub_exception_handler(self, exc: Exception, *_: object) -> None:
        """Go on listening for commands; that the store is away is told elsewhere."""
        if not isinstance(exc, RedisError | OSError):
            log.error("commands are not heard any more", error=repr(exc))
            raise exc
        time.sleep(_LONGEST_DELAY_SECONDS)

    def _insist(self, ask: Callable[[], Answer]) -> Answer:
        """Ask until the store answers; StopRequested when it does not and we stop.

        With a fit to give back it is given a few seconds to come back.
        """
        delay, away_since = _FIRST_DELAY_SECONDS, None
        while True:
            try:
                answer = ask()
            except (RedisError, StorageUnavailableError, StorageFullError) as error:
                patience = 0.0 if self.execution is None else _SETTLE_SECONDS
                give_up_at = self._stopped_at + patience
                if self._stop_requested and time.monotonic() >= give_up_at:
                    raise StopRequested from error
                if away_since is None:
                    away_since = time.monotonic()
                    log.warning("store is away", worker=self.name, error=str(error))
            else:
                if away_since is not None:
                    seconds = round(time.monotonic() - away_since, 1)
                    log.warning("store is back", worker=self.name, after=seconds)
                return answer
            self._distrust_silence()
            # With a fit to give back a signal ends not even the pause.
            self._may_stop = self.execution is None
            time.sleep(delay)
            self._may_stop = False
            delay = min(2 * delay, _LONGEST_DELAY_SECONDS)


def _executions(queue: Queue, job_id: str) -> list[str]:
    """Who works on a job: the members of its registry."""
    registry = queue.started_job_registry
    found = registry.get_job_and_execution_ids(cleanup=False)
    return [f"{job_id}:{execution_id}" for job, execution_id in found if job == job_id]


def _worker_died(how: str | None) -> WorkerDiedError:
    return WorkerDiedError(
        f"The process computing the fit was ended {MAX_DEATHS} times, at last {how}; "
        "it may need more memory than there is: ask for fewer components, or send "
        "fewer rows."
    )


def _how_it_died(status: int, rusage: struct_rusage) -> str | None:
    """In words; None when it did not die, but ended by itself."""
    peak = f"with a peak of {rusage.ru_maxrss >> 10} MiB of memory"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return f"by signal {number} ({signal.Signals(number).name}), {peak}"
    code = os.waitstatus_to_exitcode(status)
    if code in (os.EX_OK, EXIT_HAND_BACK):
        return None
    return f"with exit code {code}, {peak}"
