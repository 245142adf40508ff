"""Small parts of processes: signals, titles, threads, descriptors, what each child is given."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noggin_mp.supervisor import children, contexts, kernel, signals
from tests.support.wait import until


def test_fleet_is_told_to_drain_when_supervisord_is_killed() -> None:
    child = (
        "from noggin_mp.supervisor import kernel, signals\n"
        "stop = signals.Stop(life_fd=None); stop.install_alone()\n"
        "kernel.drain_with_supervisord()\n"
        "print('up', flush=True)\n"
        "print(stop.wait(60), flush=True)"
    )
    parent = (
        "import subprocess, sys\n"
        f"subprocess.run([sys.executable, '-c', {child!r}], env={{'SUPERVISOR_ENABLED': '1'}})"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.kill()

        assert process.stdout.readline() == "True\n"


def test_boot_numbers_grow_when_the_clock_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 5)
    boots = contexts.Boots()

    assert [boots.next(), boots.next(), boots.next()] == [5, 6, 7]


@pytest.mark.parametrize(
    ("limit", "workers", "shares"),
    [(None, 2, [None, None]), (5, 2, [3, 2]), (2, 2, [1, 1]), (7, 3, [3, 2, 2])],
)
def test_shares_add_up_when_a_limit_is_shared_out(
    limit: int | None, workers: int, shares: list[int | None]
) -> None:
    options = contexts.Options(limit=limit)

    assert [options.share(number, workers) for number in range(workers)] == shares


def test_title_is_shown_when_it_changes() -> None:
    code = (
        "from noggin_mp.supervisor import kernel\nimport sys\n"
        "kernel.Title().show('noggin-mp: worker 3 [busy 12]', short='noggin-worker-3')\n"
        "print(flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        short = Path(f"/proc/{process.pid}/comm").read_text()
        process.communicate(b"")

    assert shown.rstrip(b"\0") == b"noggin-mp: worker 3 [busy 12]"
    assert short == "noggin-worker-3\n"
    assert process.returncode == 0


def test_thread_count_is_true_when_threads_come() -> None:
    def agrees() -> bool:  # unless a thread that another test left comes to its end just now
        return kernel.thread_count() == len(os.listdir("/proc/self/task"))  # noqa: PTH208

    until(agrees)


def test_stop_wakes_every_wait_when_the_parent_is_gone(pipe: tuple[int, int]) -> None:
    stop = signals.Stop(life_fd=pipe[0])
    assert not stop.stopping()
    assert not stop.wait(0.01)
    os.close(pipe[1])

    assert stop.wait(30)
    assert stop.stopping()
    assert not stop.aborting()


def test_alone_process_drains_then_aborts_then_ends_when_interrupted() -> None:
    code = (
        "from noggin_mp.supervisor import signals\n"
        "stop = signals.Stop(life_fd=None); stop.install_alone()\n"
        "print('up', flush=True)\n"
        "stop.wait(60); print(stop.stopping(), stop.aborting(), flush=True)\n"
        "while not stop.aborting(): pass\n"
        "print(stop.aborting(), flush=True)\n"
        "while True: pass"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        heard = []
        for _ in range(3):
            heard.append(process.stdout.readline().decode().strip())
            process.send_signal(signal.SIGINT)
        until(lambda: process.poll() is not None)

    assert heard == ["up", "True False", "True"]
    assert process.returncode == 130


@pytest.mark.parametrize("room", [0, 1, 2, 3, 4])
def test_no_descriptor_is_left_when_a_fork_meets_the_limit(room: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.dup(0))
        for fd in [taken.pop() for _ in range(room)]:
            os.close(fd)
        with pytest.raises(OSError, match="Too many open files"):
            children._descriptors()
        for _ in range(room):  # as many as before can be had again
            taken.append(os.dup(0))
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
