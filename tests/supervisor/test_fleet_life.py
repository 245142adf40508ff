"""A fleet's life: it starts, replaces who dies, drains, ends; real forks and signals."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.supervisor.conftest import opened
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Start

HASTY = {"park_after_exits": 1000}
"""Where the watchdog has so little patience that a busy machine may try it again and again."""
TIME_FOR_A_THIRD = "from noggin_mp.domain import ending; ending.THIRD_INTERRUPT_S = 60.0"


def test_fleet_runs_all_slots_when_started(start: "Start") -> None:
    host = start(fleet={"workers": 3})
    workers = host.until_running(3)

    assert sorted(workers) == [0, 1, 2]
    assert host.said()["state"] == "running"
    assert host.said()["pid"] == host.pid
    assert len(host.notes("prepared")) == 1
    assert len({note["instance"] for note in host.notes("started")}) == 1


def test_supervisor_has_one_thread_when_fleet_runs(start: "Start") -> None:
    host = start()
    host.until_running()

    assert len(list(Path(f"/proc/{host.pid}/task").iterdir())) == 1


def test_children_hold_nothing_of_siblings_when_forked_late(start: "Start") -> None:
    host = start(fleet={"workers": 4})
    workers = host.until_running(4)
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: len(host.notes("started", slot=0, kind="worker")) == 2)

    first, second = (len(n["fds"]) for n in host.notes("started", slot=0, kind="worker"))
    assert first == second
    held = opened(workers[1])
    assert not any(kind in name for name in held for kind in ("socket", "eventpoll", "pidfd"))


def test_worker_is_replaced_in_its_slot_when_killed(start: "Start") -> None:
    host = start()
    workers = host.until_running()
    os.kill(workers[1], signal.SIGKILL)
    host.until_succeeded(1, workers[1])

    old, new = host.notes("started", slot=1)
    assert new["boot"] > old["boot"]
    assert host.workers()[1] == new["pid"]
    assert host.workers()[0] == workers[0]


def test_monitor_is_replaced_with_the_same_port_when_killed(start: "Start") -> None:
    host = start()
    host.until_running()
    before = host.said()
    old = before["monitor"]["pid"]
    os.kill(old, signal.SIGKILL)
    until(lambda: host.said()["monitor"]["pid"] not in (None, old))
    host.until_running()

    assert len(host.notes("started", kind="monitor")) == 2
    assert host.said()["listening"] == before["listening"]


def test_no_child_survives_when_the_supervisor_is_killed(start: "Start") -> None:
    host = start(worker="stubborn")
    host.until_running()
    pids = host.children()
    assert len(pids) == 3
    host.signal(signal.SIGKILL)

    host.wait()
    until(lambda: not host.children(), timeout_s=60)
    assert host.said()["state"] == "stopped"


def test_fleet_exits_0_when_drained_by_term(start: "Start") -> None:
    host = start()
    host.until_running()
    host.signal(signal.SIGTERM)

    assert host.wait() == 0
    ended = host.notes("ended")
    assert [note["kind"] for note in ended] == ["worker", "worker", "monitor"]
    assert not any(note["aborting"] for note in ended)
    assert host.said() | {"state": "stopped", "pid": None, "slots": []} == host.said()


def test_fleet_kills_at_grace_when_a_child_ignores_term(start: "Start") -> None:
    host = start(worker="stubborn", fleet={"workers": 2, "grace_s": 1})
    host.until_running()
    host.signal(signal.SIGTERM)

    assert host.wait() == 0
    assert host.children() == set()
    assert "child_killed" in host.stderr()


def test_fleet_kills_at_grace_when_a_child_is_stopped(start: "Start") -> None:
    host = start(fleet={"workers": 2, "grace_s": 1})
    workers = host.until_running()
    os.kill(workers[0], signal.SIGSTOP)
    host.signal(signal.SIGTERM)

    assert host.wait() == 0
    assert host.children() == set()


def test_fleet_exits_130_when_interrupted_twice(start: "Start") -> None:
    host = start(worker="slow", rules={"abort_s": 60})
    host.until_running()
    host.signal(signal.SIGINT)
    until(lambda: host.said()["state"] == "draining")
    host.signal(signal.SIGINT)

    assert host.wait() == 130
    assert len(host.notes("aborted")) == 2


def test_fleet_kills_when_interrupted_three_times(start: "Start") -> None:
    host = start(worker="stubborn", rules={"abort_s": 60}, first=TIME_FOR_A_THIRD)
    host.until_running()
    for count in (1, 2):
        host.signal(signal.SIGINT)
        until(lambda count=count: len(host.logged("signal_received")) == count)
    host.signal(signal.SIGINT)

    assert host.wait() == 130
    assert host.children() == set()
    assert {note["child"] for note in host.logged("child_killed")} >= {"worker 0", "worker 1"}


def test_hung_worker_is_replaced_with_its_stacks_told_when_silent(start: "Start") -> None:
    host = start(worker="hung", fleet={"watchdog_s": 2}, rules=HASTY | {"abort_s": 60})
    until(lambda: len(host.notes("started", slot=0, kind="worker")) >= 2, timeout_s=60)
    host.until_running()

    assert "child_hung" in host.stderr()
    assert "in fall_silent" in host.stderr()


def test_stopped_worker_is_killed_and_replaced_when_silent(start: "Start") -> None:
    host = start(fleet={"watchdog_s": 2}, rules=HASTY | {"abort_s": 0.5})
    workers = host.until_running()
    os.kill(workers[0], signal.SIGSTOP)

    host.until_succeeded(0, workers[0])
    now = host.until_running()
    blamed = host.logged("child_hung")
    assert min(note["silent_s"] for note in blamed) >= 2
    hung = {note["child"] for note in blamed}
    assert "worker 0" in hung
    assert now[1] == workers[1] or "worker 1" in hung  # on a busy machine it may be silent as well


def test_no_child_is_blamed_when_the_supervisor_was_stopped(start: "Start") -> None:
    host = start(fleet={"watchdog_s": 1}, rules=HASTY | {"lapse_s": 1.5})
    workers = host.until_running()
    all_of_it = [*workers.values(), host.said()["monitor"]["pid"]]
    host.signal(signal.SIGSTOP)
    for pid in all_of_it:
        os.kill(pid, signal.SIGSTOP)
    stopped_s = 3.0
    assert signal.sigtimedwait([], stopped_s) is None
    host.signal(signal.SIGCONT)
    for pid in all_of_it:
        os.kill(pid, signal.SIGCONT)
    host.signal(signal.SIGUSR2)

    until(lambda: "state_dumped" in host.stderr())
    now = host.until_running()
    # Whom a busy machine keeps silent, before or since, is blamed for less time than the stop.
    blamed = host.logged("child_hung")
    assert [note for note in blamed if note["silent_s"] >= stopped_s] == []
    hung = {note["child"] for note in blamed}
    assert [n for n in workers if now[n] != workers[n] and f"worker {n}" not in hung] == []


def test_fleet_exits_1_when_every_slot_is_parked(start: "Start") -> None:
    rules = {"backoff_first_s": 0.05, "park_window_s": 600}
    host = start(worker="crashing", fleet={"workers": 1}, rules=rules)

    assert host.wait() == 1
    assert len(host.notes("started", kind="worker")) == 5
    assert host.stderr().count("Traceback") == 1
    assert host.stderr().count('"reason": "ZeroDivisionError: made to fail"') == 5
    assert "parked" in host.stderr()


def test_monitor_is_replaced_for_ever_when_it_crashes(start: "Start") -> None:
    host = start(monitor="crashing", rules={"backoff_first_s": 0.02, "backoff_max_s": 0.05})
    until(lambda: len(host.notes("started", kind="monitor")) > 6, timeout_s=60)
    until(lambda: len(host.workers()) == 2, timeout_s=60)

    assert len(host.notes("started", kind="worker")) == 2


def test_fleet_halts_with_its_code_when_a_child_cannot_work(start: "Start") -> None:
    host = start(worker="unable")

    assert host.wait() == 3
    assert len(host.notes("started", kind="worker")) == 2
    assert "the schema is older than the program; migrate it" in host.stderr()


def test_fleet_exits_with_the_monitors_code_when_drained(start: "Start") -> None:
    host = start(monitor="drained", options={"until_drained": True})

    assert host.wait() == 1


def test_fleet_goes_on_when_drained_but_not_asked_to_end(start: "Start") -> None:
    host = start(monitor="drained")

    host.until_running()
    assert host.said()["state"] == "running"


def test_fleet_waits_for_the_next_monitor_when_one_dies(start: "Start") -> None:
    host = start(monitor="drained", options={"until_drained": True}, env={"MONITOR_DIES": "yes"})

    assert host.wait() == 1
    assert len(host.notes("started", kind="monitor")) == 2


def test_fleet_exits_4_when_auth_stopped_and_asked_to_end(start: "Start") -> None:
    host = start(worker="no_token", options={"until_drained": True})

    assert host.wait() == 4


def test_fleet_shares_the_limit_out_and_ends_when_all_is_done(start: "Start") -> None:
    host = start(worker="finished", fleet={"workers": 4}, options={"limit": 3})

    assert host.wait() == 0
    assert [note["options"] for note in host.notes("started", kind="worker")] == [{"limit": 1}] * 3


def test_fleet_goes_on_when_a_child_dies_in_the_middle_of_a_message(start: "Start") -> None:
    host = start(worker="cut_off", options={"until_drained": True})
    host.until_running()

    assert len(host.notes("started", slot=0, kind="worker")) == 2


def test_workers_come_and_go_when_ttin_and_ttou_ask(start: "Start") -> None:
    host = start()
    host.until_running()
    host.signal(signal.SIGTTIN)
    host.until_running(3)
    host.signal(signal.SIGTTOU)

    host.until_running(2)
    until(lambda: len(host.notes("ended", slot=2)) == 1, what="the third one ends")
