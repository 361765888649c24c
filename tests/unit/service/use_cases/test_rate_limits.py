from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import RateLimitedError, StorageFullError, StorageUnavailableError
from service.use_cases.rate_limits import RateLimiter
from tests.fakes import InMemoryRequestCounts


@pytest.fixture
def counts():
    return InMemoryRequestCounts()


def limiter(counts, limit) -> RateLimiter:
    return RateLimiter(counts, limit, monotonic=lambda: counts.now)


def n_allowed(limiter, client, tries) -> int:
    for n in range(tries):
        try:
            limiter.count(client)
        except RateLimitedError:
            return n
    return tries


@pytest.mark.parametrize("limit", [1, 2, 49, 50, 51, 60, 1000])
def test_a_client_may_send_exactly_so_many_requests_a_minute(counts, limit):
    limited = limiter(counts, limit)
    assert n_allowed(limited, "a", 2 * limit) == limit
    counts.now += 60
    assert n_allowed(limited, "a", 2 * limit) == limit


def test_clients_do_not_count_for_each_other(counts):
    limited = limiter(counts, 10)
    assert n_allowed(limited, "a", 20) == 10
    assert n_allowed(limited, "b", 20) == 10


def test_several_processes_share_a_limit(counts):
    processes = [limiter(counts, 100) for _ in range(4)]
    assert sum(n_allowed(process, "a", 100) for process in processes) == 100


def test_what_a_process_takes_and_does_not_use_is_little(counts):
    idle, busy = limiter(counts, 1000), limiter(counts, 1000)
    idle.count("a")
    assert n_allowed(busy, "a", 2000) == 980


def test_the_store_is_asked_fifty_times_a_minute_and_not_by_those_refused(counts):
    limited = limiter(counts, 1000)
    n_allowed(limited, "a", 2000)
    asked = counts.asked
    assert asked == 50
    for _ in range(100):
        with pytest.raises(RateLimitedError):
            limited.count("a")
    assert counts.asked == asked


def test_a_refusal_tells_when_to_go_on(counts):
    limited = limiter(counts, 1)
    limited.count("a")
    counts.now = 12.5
    with pytest.raises(RateLimitedError, match="48 seconds") as refused:
        limited.count("a")
    assert refused.value.retry_after_seconds == 47.5


def test_a_client_reads_what_is_left(counts):
    limited = limiter(counts, 100)
    left = [limited.count("a").remaining for _ in range(5)]
    assert left == [99, 98, 97, 96, 95]


def test_zero_is_no_limit_and_costs_nothing(counts):
    assert limiter(counts, 0).count("a") is None
    assert counts.asked == 0


@pytest.mark.parametrize("error", [StorageFullError, StorageUnavailableError])
def test_a_store_that_cannot_count_lets_requests_through(counts, error):
    limited = limiter(counts, 1)
    counts.error = error("")
    assert [limited.count("a") for _ in range(10)] == [None] * 10
    assert counts.asked == 1
    counts.error = None
    counts.now += 1
    assert n_allowed(limited, "a", 5) == 1


def test_threads_do_not_get_more_than_the_limit(counts):
    limited = limiter(counts, 500)

    def allowed(_: int) -> int:
        return n_allowed(limited, "a", 100)

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(allowed, range(16))) <= 500


def test_clients_that_are_gone_are_forgotten(counts):
    limited = limiter(counts, 10)
    for number in range(1000):
        limited.count(f"client {number}")
    counts.now += 61
    limited.count("a")
    assert len(limited._windows) == 1
