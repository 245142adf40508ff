"""Children that crash as fast as they are made: few attempts, few lines, little work."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noggin_mp.observe import metrics
from noggin_mp.supervisor import holdings
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Host, Start

FAST = {"backoff_first_s": 0.05, "backoff_max_s": 0.2, "park_window_s": 600, "healthy_s": 600}
"""A slot is tried again soon, and parked however slowly its five tenants die."""


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, without that of its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines(host: "Host", event: str) -> list[str]:
    return [line for line in host.stderr().splitlines() if f'"event": "{event}"' in line]


def states(host: "Host") -> list[str]:
    return [slot["state"] for slot in host.said()["slots"]]


@pytest.mark.parametrize(
    ("worker", "reason"),
    [
        ("without_module", "ModuleNotFoundError: No module named 'noggin_mp.no_such_module'"),
        ("segfaulting", None),
        ("killed", None),
        ("quitting", None),
    ],
)
def test_log_stays_short_when_every_worker_dies_at_once(
    start: "Start", worker: str, reason: str | None
) -> None:
    quick = {"quick_exit_s": 600}  # who says goodbye at once may need a while to do so
    host = start(worker=worker, fleet={"workers": 3}, rules=FAST | quick)

    assert host.wait(120) == 1
    assert len(host.notes("started", kind="worker")) == 15
    ends = [line for line in lines(host, "child_exited") if '"worker' in line]
    assert len(ends) == 15
    assert sum('"slot_is": "parked"' in line for line in ends) == 3
    assert all(reason is None or reason in line for line in ends)
    # A start, a traceback if there is one, and an end each: nothing else is told of each attempt.
    stacks = 15 if worker == "segfaulting" else 0
    assert len(lines(host, "child_stacks")) == stacks
    assert len(host.stderr().splitlines()) <= 15 + stacks + 3 * 2 + 9, host.stderr()
    assert "every worker slot is parked" in host.stderr()


def test_stacks_are_one_line_of_the_log_when_a_library_crashes(start: "Start") -> None:
    host = start(worker="half_crashing", rules=FAST)
    until(lambda: states(host) == ["parked", "running"], timeout_s=60)

    assert len(lines(host, "child_stacks")) == 5
    assert all("in crash_in_c" in line for line in lines(host, "child_stacks"))
    assert all(line.startswith("{") for line in host.stderr().splitlines())
    assert '"how": "signal 11", "why": "crashed"' in host.stderr()


def test_supervisor_rests_when_slots_crash_and_are_parked(start: "Start") -> None:
    host = start(worker="half_crashing", fleet={"workers": 8}, rules=FAST)
    until(lambda: "parked" in states(host), timeout_s=60)
    host.until_running(7)

    # Other guests of the machine cost, too; but a loop that spins does so in every look.
    assert any(watched_s(host.pid) < 0.5 for _ in range(3))


def watched_s(pid: int) -> float:
    """CPU time that a process takes in one and a half seconds."""
    before = cpu_s(pid)
    assert signal.sigtimedwait([], 1.5) is None  # the time in which a loop that spins would spin
    return cpu_s(pid) - before


def test_worker_is_replaced_with_its_stacks_told_when_a_thread_is_stuck(start: "Start") -> None:
    host = start(
        worker="stuck_thread",
        fleet={"workers": 2, "watchdog_s": 60},
        api={"deadline_s": 50, "connect_timeout_s": 5, "read_timeout_s": 50},
        rules={"abort_s": 60},  # to write its stacks
    )
    until(lambda: len(host.notes("started", slot=0, kind="worker")) == 2, timeout_s=60)
    host.until_running()

    assert len(lines(host, "child_hung")) == 1
    assert '"stalled_s": 90.0' in lines(host, "child_hung")[0]
    assert "in wait_for_ever" in lines(host, "child_stacks")[0]
    folder = holdings.metrics_folder(host.state)
    hung = 'noggin_worker_exits_total{reason="hung",worker="0"} 1.0'
    until(lambda: hung in metrics.collect(folder).decode())
