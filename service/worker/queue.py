"""The queue of fits, over RQ.

Key space (RQ's own; nothing here outlives its fit by more than a minute)
---------
rq:queue:fits                      list: ids of the jobs that wait; a job's id is the
                                   fit's
rq:queue:fits:intermediate         list: ids that a worker has just taken
rq:job:<id>                        hash: the job, with the tenant as its argument
rq:wip:fits                        zset: jobs that run, by when they are given up
rq:execution:…, rq:executions:…    who runs a job
rq:failed:fits                     zset: jobs given up
rq:worker:…, rq:workers, rq:workers:fits
rq:clean_registries:fits           the lock of `recovery`
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, Retry, worker_registration
from rq.command import send_stop_job_command
from rq.exceptions import DuplicateJobError, InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.serializers import JSONSerializer

MAX_DEATHS = 3
"""How often a fit may kill its process before it is given up."""

_QUEUE = "fits"
_FAILURE_TTL_SECONDS = 60

log = structlog.get_logger(__name__)


def rq_queue(connection: Redis) -> Queue:
    """The one queue of fits, of all tenants."""
    return Queue(_QUEUE, connection=connection, serializer=JSONSerializer)


class RqFitQueue:
    """Implements `service.ports.FitQueue` for one tenant.

    The queue is only a hint to the workers: when it does not answer, the fit's record
    says what to do, and workers look through the records every few seconds. So no
    error of Redis leaves here; it only delays what was asked for.
    """

    def __init__(self, connection: Redis, tenant: str) -> None:
        self._connection = connection
        self._queue = rq_queue(connection)
        self._tenant = tenant

    def enqueue(self, fit_id: str) -> None:
        try:
            enqueue(self._queue, self._tenant, fit_id)
        except RedisError as error:
            log.warning("fit not queued yet", fit_id=fit_id, error=str(error))

    def withdraw(self, fit_id: str) -> None:
        try:
            self._withdraw(fit_id)
        except RedisError as error:
            log.warning("fit not withdrawn yet", fit_id=fit_id, error=str(error))

    def waiting_ids(self) -> Sequence[str]:
        try:
            return self._queue.job_ids
        except RedisError as error:
            log.warning("queue not read", error=str(error))
            return ()

    def n_workers(self) -> int:
        try:
            return n_workers(self._connection)
        except RedisError as error:
            log.warning("workers not counted", error=str(error))
            return 0

    def _withdraw(self, fit_id: str) -> None:
        # A job that nobody runs is removed here; one that runs, by its worker.
        try:
            send_stop_job_command(self._connection, fit_id, JSONSerializer)
        except NoSuchJobError:
            return
        except InvalidJobOperation:
            with self._connection.pipeline() as pipeline:
                forget(self._queue, fit_id, pipeline)
                pipeline.execute()


def n_workers(connection: Redis) -> int:
    """Count the workers that live: the key of one that was not heard of expires."""
    keys = worker_registration.get_keys(rq_queue(connection))
    return int(connection.exists(*keys)) if keys else 0


def enqueue(queue: Queue, tenant: str, fit_id: str, at_front: bool = False) -> None:
    """Queue a fit, unless it is queued or running already."""
    try:
        queue.enqueue_call(
            # For those who look into the queue: workers know what to do.
            "fit",
            args=(tenant, fit_id),
            job_id=fit_id,
            unique=True,
            at_front=at_front,
            description=f"fit {fit_id}",
            # The worker knows the time limit of the day.
            timeout=-1,
            result_ttl=0,
            failure_ttl=_FAILURE_TTL_SECONDS,
            # At the front: a fit that had begun goes on before others begin.
            retry=Retry(max=MAX_DEATHS - 1, enqueue_at_front=True),
        )
    except DuplicateJobError:
        return


def forget(queue: Queue, fit_id: str, pipeline: Pipeline) -> None:
    """Remove a fit's job, wherever it is; harmless when there is none."""
    pipeline.lrem(queue.key, 0, fit_id)
    pipeline.lrem(queue.intermediate_queue_key, 0, fit_id)
    pipeline.zrem(queue.failed_job_registry.key, fit_id)
    pipeline.delete(Job.key_for(fit_id))
