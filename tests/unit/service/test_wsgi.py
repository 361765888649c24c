"""What is ours of gunicorn's master process."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from service.wsgi import ApiArbiter


class Nothing(BaseApplication):
    """An application that is never served."""

    def __init__(self) -> None:
        super().__init__(prog="test")

    def load_config(self) -> None:
        self.cfg.set("control_socket_disable", True)

    def load(self) -> None:
        return None


@contextmanager
def signals_of_a_master(hang_up: object) -> Iterator[ApiArbiter]:
    """An arbiter's handlers for a while, in a process that had one for SIGHUP."""
    numbers = [*Arbiter.SIGNALS, signal.SIGCHLD, signal.SIGHUP]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        signal.signal(signal.SIGHUP, hang_up)  # type: ignore[arg-type]
        arbiter = ApiArbiter(Nothing())
        arbiter.init_signals()
        yield arbiter
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def blocked_signals() -> set[signal.Signals]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))  # type: ignore[arg-type]


def test_a_new_worker_process_gets_no_sigterm_before_it_has_handlers(
    monkeypatch: pytest.MonkeyPatch,
):
    blocked = []
    monkeypatch.setattr(
        Arbiter, "spawn_worker", lambda _: blocked.append(blocked_signals()) or 7
    )
    assert ApiArbiter(Nothing()).spawn_worker() == 7
    assert signal.SIGTERM in blocked[0]
    assert signal.SIGTERM not in blocked_signals()


def test_a_hang_up_stops_the_server():
    with signals_of_a_master(signal.SIG_DFL) as arbiter:
        assert signal.getsignal(signal.SIGHUP) == arbiter.signal
        # That is how gunicorn's loop is told to end.
        with pytest.raises(StopIteration):
            arbiter.handle_hup()


def test_nohup_lets_the_server_outlive_the_terminal():
    with signals_of_a_master(signal.SIG_IGN):
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
