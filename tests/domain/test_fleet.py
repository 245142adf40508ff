"""The fleet's policy as tables: what happened goes in, what is to be done comes out."""

import pytest

from noggin_mp.domain import fleet, slots
from tests.support.fleet_story import ABRT, CLEAN, CRASH, KILL, KILLED, RULES, Story, texts


def test_fleet_spawns_every_slot_once_when_it_starts() -> None:
    story = Story()

    assert story.turn() == ["spawn w0", "spawn w1", "spawn m"]
    assert story.turn() == []


def test_fleet_runs_when_a_worker_has_beaten() -> None:
    story = Story()
    story.turn()
    story.beat("m")
    assert story.fleet.phase is fleet.Phase.STARTING
    story.beat("w1")

    assert story.fleet.phase is fleet.Phase.RUNNING


def test_fleet_ends_when_every_worker_has_done_its_share() -> None:
    story = Story(finite=True).running()
    story.exit("w0", CLEAN)
    assert story.turn() == []
    story.exit("w1", KILLED)
    assert story.turn() == ["spawn w1"]
    story.now += 2
    story.exit("w1", CLEAN)
    assert story.turn() == ["TERM m"]
    story.exit("m")

    assert (story.fleet.finished, story.fleet.exit_code) == (True, 0)


@pytest.mark.parametrize("code", sorted(fleet.HALTING_CODES))
@pytest.mark.parametrize("who", ["w1", "m"])
def test_fleet_halts_when_a_child_ends_with_a_code_that_repeats(who: str, code: int) -> None:
    story = Story()
    story.turn()
    story.exit(who, slots.Exit(code=code))

    assert story.fleet.phase is fleet.Phase.DRAINING
    assert story.fleet.exit_code == code


def test_silent_worker_gets_abrt_then_kill_when_the_watchdog_is_over() -> None:
    story = Story(workers=1).running()
    for _ in range(117):
        assert story.turn(after=1) == []
    story.beat("m")
    story.now += 1
    assert story.turn() == [f"{ABRT} w0"]
    assert story.turn(after=4) == []
    assert story.turn(after=1) == [f"{KILL} w0"]
    story.exit("w0", KILLED)

    assert story.turn() == ["spawn w0"]


def test_silence_is_forgiven_when_the_supervisor_was_stopped() -> None:
    story = Story().running()
    story.turn()

    assert story.turn(after=500) == []
    story.now += 119
    assert story.fleet.decide(story.now) == ()


def test_fleet_drains_workers_then_monitor_when_asked() -> None:
    story = Story().running()
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")
    assert story.turn() == ["TERM w0", "TERM w1"]
    story.exit("w0")
    assert story.turn() == []
    story.exit("w1", KILLED)
    assert story.turn() == ["TERM m"]
    story.exit("m")

    assert (story.fleet.finished, story.fleet.exit_code) == (True, 0)
    assert story.turn() == []


def test_fleet_kills_all_who_are_left_when_grace_is_over() -> None:
    story = Story(workers=1).running()
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")
    assert story.turn() == ["TERM w0"]
    story.turn()
    for _ in range(27):
        assert story.turn(after=1) == []
    assert story.turn(after=1) == ["TERM m"]

    assert story.turn(after=2) == ["KILL w0", "KILL m"]
    assert story.turn(after=1) == []


def test_waiting_slot_is_not_spawned_when_draining() -> None:
    story = Story(workers=1)
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")

    assert story.turn(after=1) == []
    assert story.fleet.finished


def test_first_reason_stands_when_told_to_drain_twice() -> None:
    story = Story(until_drained=True).running()
    story.fleet.told_drained(now=story.now, exit_code=1)
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")

    assert story.fleet.exit_code == 1


@pytest.mark.parametrize(("until_drained", "phase"), [(True, "draining"), (False, "running")])
def test_drained_and_auth_stop_matter_when_the_fleet_should_end(
    until_drained: bool, phase: str
) -> None:
    for exit_code in (0, 4):
        story = Story(until_drained=until_drained).running()
        if exit_code == 4:
            story.fleet.told_auth_stop(now=story.now)
        else:
            story.fleet.told_drained(now=story.now, exit_code=0)

        assert story.fleet.phase == phase
        assert story.fleet.exit_code == (exit_code if until_drained else 0)


def test_interrupts_drain_abort_and_kill_when_they_follow_one_another() -> None:
    story = Story(workers=1).running()
    assert texts(story.fleet.interrupted(now=story.now)) == []
    assert story.turn() == ["TERM w0"]
    assert story.fleet.exit_code == 0
    assert texts(story.fleet.interrupted(now=story.now + 1)) == ["QUIT w0", "QUIT m"]
    assert texts(story.fleet.interrupted(now=story.now + 3)) == ["KILL w0", "KILL m"]

    assert story.fleet.exit_code == 130


def test_third_interrupt_aborts_again_when_it_comes_late() -> None:
    story = Story(workers=1).running()
    story.fleet.interrupted(now=story.now)
    story.fleet.interrupted(now=story.now)

    assert texts(story.fleet.interrupted(now=story.now + 2.5)) == ["QUIT w0", "QUIT m"]
    assert story.turn(after=2) == []
    assert story.turn(after=3) == ["KILL w0", "KILL m"]


def test_slots_come_and_go_when_resized() -> None:
    story = Story().running()
    story.fleet.resize(4, now=story.now)
    assert story.turn() == ["spawn w2", "spawn w3"]
    story.beat("w2", "w3")
    story.fleet.resize(1, now=story.now)
    assert story.turn() == ["TERM w1", "TERM w2", "TERM w3"]
    story.exit("w3")
    story.fleet.resize(2, now=story.now)
    story.exit("w1")

    assert story.turn() == ["spawn w1"]
    assert story.fleet.target == 2


def test_roll_replaces_one_at_a_time_when_each_is_ready() -> None:
    story = Story().running()
    story.fleet.roll(now=story.now, rules=RULES)
    assert story.turn() == ["TERM w0"]
    assert story.turn() == []
    story.exit("w0")
    assert story.turn() == ["spawn w0"]
    assert story.turn() == []
    story.beat("w0")
    assert story.turn() == ["TERM w1"]
    story.exit("w1")
    assert story.turn() == ["spawn w1"]
    story.beat("w1")
    assert story.fleet.rolling
    assert story.turn() == ["TERM m"]
    story.exit("m")
    assert story.turn() == ["spawn m"]

    assert not story.fleet.rolling


def test_roll_gives_parked_slots_a_fresh_start_when_it_begins() -> None:
    story = Story().running()
    for _ in range(5):
        story.exit("w0", CRASH)
        story.turn(after=4)
    story.fleet.roll(now=story.now, rules=RULES)

    assert story.turn() == ["spawn w0"]
