from __future__ import annotations

import platform
import subprocess
import sys
import time

import pytest

from service import processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def test_a_living_process_is_not_gone():
    name = processes.process_name()
    assert name is not None
    assert not processes.is_gone(name)


def test_an_ended_process_is_gone_even_before_its_parent_noticed():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1) as process:
        name = processes.process_name(process.pid)
        assert name is not None
        process.kill()
        for _ in range(500):
            if processes.is_gone(name):
                break
            time.sleep(0.01)
        assert processes.is_gone(name)


def test_another_process_with_the_same_id_is_told_apart():
    name = processes.process_name()
    assert name is not None
    machine_and_pid = name.rpartition("-")[0]
    assert processes.is_gone(f"{machine_and_pid}-1")


def test_nothing_is_said_about_processes_of_other_machines():
    assert not processes.is_gone("another-1-1")
    assert not processes.is_gone("5f0c2a")


def test_a_child_dies_with_its_parent():
    parent = (
        "import os, subprocess, sys, time\n"
        "command = [sys.executable, '-c', sys.argv[1], str(os.getpid())]\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    child = (
        "import sys, time\n"
        "from service import processes\n"
        "processes.die_with_parent(int(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent, child], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        name = processes.process_name(int(process.stdout.readline()))
        assert name is not None
        process.kill()
        for _ in range(500):
            if processes.is_gone(name):
                break
            time.sleep(0.01)
        assert processes.is_gone(name)


def test_a_child_of_a_parent_that_has_ended_ends_at_once():
    code = "from service import processes; processes.die_with_parent(1); print('on')"
    ended = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, b"")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's arenas")
@pytest.mark.parametrize("shared", [True, False])
def test_threads_share_two_arenas(shared, tmp_path):
    code = (
        "import ctypes, sys, threading\n"
        "from service import processes\n"
        f"if {shared}: processes.share_malloc_arenas()\n"
        "libc = ctypes.CDLL(None)\n"
        "libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p\n"
        "together = threading.Barrier(8)\n"
        "def take():\n"
        "    together.wait()\n"
        "    libc.malloc(1000)\n"
        "threads = [threading.Thread(target=take) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "file = libc.fopen(sys.argv[1].encode(), b'w')\n"
        "libc.malloc_info(0, ctypes.c_void_p(file))\n"
        "libc.fclose(ctypes.c_void_p(file))\n"
    )
    told = tmp_path / "arenas"
    subprocess.run([sys.executable, "-c", code, str(told)], check=True)
    n_arenas = told.read_text().count("<heap nr=")
    # Without the call there are more: what is counted is what it bounds.
    assert (n_arenas <= 2) is shared
