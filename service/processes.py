"""What processes of the service tell the operating system about themselves."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_M_ARENA_MAX = -8


def stop_signals() -> tuple[signal.Signals, ...]:
    """Those that ask this process to end; a closed terminal's, unless it is ignored.

    Ignored by our parent: that is how `nohup` says to outlive the terminal.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return (signal.SIGTERM, signal.SIGINT)
    return (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel to kill this process when its parent ends, however it ends.

    Only Linux can; elsewhere a killed parent leaves its children behind.
    """
    if sys.platform != "linux":
        return
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have ended before it was asked for.
    if os.getppid() != parent_pid:
        os._exit(1)


def prefer_for_oom_killer() -> None:
    """Let the kernel choose this process first when memory runs out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        return


def share_malloc_arenas() -> None:
    """Let all threads allocate from two arenas, where glibc would have sixteen.

    Each arena keeps what is freed in it: after large requests on many threads that
    was most of a process's memory.
    """
    mallopt = getattr(_libc(), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)


def limit_memory(size_bytes: int) -> None:
    """Make allocations beyond `size_bytes` more than now raise MemoryError."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[5])
    except OSError:
        return
    # Private memory: RLIMIT_AS would count address space that is only reserved.
    most = pages * resource.getpagesize() + size_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def process_name(pid: int | None = None) -> str | None:
    """A name that no other process ever has, on any machine; None: it is gone.

    The boot, the pid namespace, the pid, and when the process started: a process id
    alone is soon another's, and a container's is the same each time it starts.
    """
    pid = os.getpid() if pid is None else pid
    try:
        # The name in parentheses may hold spaces; `starttime` is the 22nd field.
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    if stat[0] in ("Z", "X"):
        return None
    return f"{_machine()}-{pid}-{stat[19]}"


def is_gone(name: str) -> bool:
    """Whether the process of that name has ended, as far as can be seen from here."""
    machine, _, rest = name.partition("-")
    pid = rest.partition("-")[0]
    if machine != _machine() or not pid.isdigit():
        return False
    return process_name(int(pid)) != name


@cache
def _machine() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # "pid:[4026531836]": containers on one machine have one each.
        namespace = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return None
    return boot.replace("-", "") + "".join(filter(str.isdigit, namespace))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
