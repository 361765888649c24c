"""Threads that share work take each item once, and give answers back in order."""

from __future__ import annotations

import threading

import pytest

from gmm_engine.team import ALONE, Team, team_of


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("n_items", [0, 1, 3, 200])
def test_answers_come_in_the_order_of_the_items(n_threads, n_items):
    taken = []

    def square(item: int) -> int:
        taken.append(item)
        return item * item

    with team_of(n_threads) as team:
        assert team.map(square, iter(range(n_items))) == [
            item * item for item in range(n_items)
        ]
    assert sorted(taken) == list(range(n_items))


def test_threads_work_at_the_same_time():
    meeting = threading.Barrier(3, timeout=30)
    with team_of(3) as team:
        assert sorted(team.map(lambda _: meeting.wait(), range(3))) == [0, 1, 2]


def test_the_caller_is_one_of_them_and_does_not_wait_for_those_who_come_too_late():
    caller = threading.get_ident()
    with team_of(2) as team:
        assert team.helpers is not None
        busy = threading.Event()
        blocked = team.helpers.submit(busy.wait, 30)
        who = team.map(lambda _: threading.get_ident(), range(10))
        assert not blocked.done()
        busy.set()
    assert set(who) == {caller}


def test_after_an_exception_nobody_begins_another():
    begun = []
    failing = threading.Barrier(3, timeout=30)

    def fail(item: int) -> None:
        begun.append(item)
        failing.wait()
        raise IndexError(f"of item {item}")

    # All three fail at once; the error is that of the first item, as in a loop.
    with team_of(3) as team, pytest.raises(IndexError, match="of item 0"):
        team.map(fail, range(1_000))
    assert sorted(begun) == [0, 1, 2]


def test_an_exception_on_another_thread_reaches_the_caller_once_all_have_ended():
    caller = threading.get_ident()
    meeting, ended = threading.Barrier(2, timeout=30), []

    def fail(item: int) -> None:
        meeting.wait()
        if threading.get_ident() != caller:
            raise ValueError("of a helper")
        ended.append(item)

    with team_of(2) as team:
        with pytest.raises(ValueError, match="of a helper"):
            team.map(fail, range(2))
        assert len(ended) == 1


def test_nobody_is_left_behind():
    before = threading.active_count()
    with team_of(4) as team:
        team.map(abs, range(8))
    assert threading.active_count() == before
    with team_of(1) as team:
        assert team is ALONE
    assert Team().map(abs, [-1]) == [1]
