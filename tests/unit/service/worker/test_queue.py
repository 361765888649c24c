from __future__ import annotations

import json
import zlib

from redis import Redis

from service.worker.queue import RqFitQueue


def test_a_queued_job_is_a_tenant_and_an_id_in_json(queue, jobs):
    queue.enqueue("f1")
    assert jobs.job_ids == ["f1"]
    stored = jobs.connection.hget("rq:job:f1", "data")
    function, _, arguments, _ = json.loads(zlib.decompress(stored))
    assert (function, arguments) == ("fit", ["acme", "f1"])


def test_queueing_twice_is_harmless(queue, jobs):
    queue.enqueue("f1")
    queue.enqueue("f1")
    assert jobs.job_ids == ["f1"]


def test_workers_count_until_they_are_not_heard_of(queue, connection):
    assert queue.n_workers() == 0
    for name in ("a", "b"):
        connection.sadd("rq:workers:fits", f"rq:worker:{name}")
        connection.hset(f"rq:worker:{name}", "birth", "now")
    assert queue.n_workers() == 2
    connection.delete("rq:worker:a")  # as it does when it expires
    assert queue.n_workers() == 1


def test_a_withdrawn_fit_leaves_nothing_behind(queue, connection):
    queue.enqueue("f1")
    queue.withdraw("f1")
    assert connection.keys("rq:*f1*") == []
    assert connection.llen("rq:queue:fits") == 0


def test_withdrawing_a_fit_that_is_not_queued_does_nothing(queue):
    queue.withdraw("nowhere")


def test_a_queue_that_does_not_answer_only_delays(monkeypatch):
    queue = RqFitQueue(Redis(port=1, retry=None), "acme")
    queue.enqueue("f1")
    queue.withdraw("f1")


def test_the_fits_that_wait_are_told_in_the_order_of_their_turns(queue, connection):
    other = RqFitQueue(connection, "other")
    for waiting, fit_id in ((queue, "f1"), (other, "f2"), (queue, "f3")):
        waiting.enqueue(fit_id)
    assert list(queue.waiting_ids()) == ["f1", "f2", "f3"]
    other.withdraw("f2")
    assert list(queue.waiting_ids()) == ["f1", "f3"]
    assert queue.n_workers() == 0


def test_of_a_queue_that_does_not_answer_nothing_is_known():
    queue = RqFitQueue(Redis(port=1, retry=None), "acme")
    assert list(queue.waiting_ids()) == []
    assert queue.n_workers() == 0
