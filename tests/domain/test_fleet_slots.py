"""A slot whose process ends: when it gets another, and when it is parked."""

import pytest

from noggin_mp.domain import fleet, slots
from tests.support.fleet_story import CLEAN, CRASH, KILLED, RULES, Story


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 0.0), (2, 0.5), (3, 1.0), (4, 2.0)])
def test_slot_waits_longer_when_it_fails_again(failures: int, delay_s: float) -> None:
    slot = slots.Slot(kind=fleet.ChildKind.WORKER, number=0)
    for number in range(failures):
        slot.spawned(now=100.0 + number, pid=1, generation=0)
        slot.exited(now=100.0 + number, exit_=CRASH, rules=RULES, jitter=1.0)

    assert slot.due_at - (100.0 + failures - 1) == pytest.approx(delay_s)


@pytest.mark.parametrize(("jitter", "delay_s"), [(0.0, 15.0), (0.5, 22.5), (1.0, 30.0)])
def test_slot_waits_30_s_at_most_when_it_fails_for_ever(jitter: float, delay_s: float) -> None:
    slot = slots.Slot(kind=fleet.ChildKind.MONITOR, number=0)
    for _ in range(200):
        slot.spawned(now=0.0, pid=1, generation=0)
        slot.exited(now=0.0, exit_=KILLED, rules=RULES, jitter=jitter)

    assert slot.due_at == pytest.approx(delay_s)
    assert slot.state is slots.SlotState.WAITING


def test_slot_respawns_at_once_when_it_was_healthy_for_a_minute() -> None:
    story = Story().running()
    for _ in range(3):
        story.exit("w0", CRASH)
        story.turn(after=4)
    story.beat("w0", "w1", "m")
    story.turn(after=59)
    story.beat("w0", "w1", "m")
    story.now += 1
    story.exit("w0", CRASH)

    assert story.turn() == ["spawn w0"]


def test_slot_is_parked_when_it_fails_five_times_in_a_minute() -> None:
    story = Story().running()
    for _ in range(5):
        assert story["w0"].state is not slots.SlotState.PARKED
        story.exit("w0", KILLED)
        story.turn(after=4)

    assert story["w0"].state is slots.SlotState.PARKED
    assert story.turn(after=4) == []
    assert story.fleet.phase is fleet.Phase.RUNNING


def test_slot_is_not_parked_when_its_failures_are_spread_out() -> None:
    story = Story().running()
    for _ in range(20):
        story.exit("w0", KILLED)
        story.beat("w1", "m")
        story.turn(after=16)

    assert story["w0"].state in (slots.SlotState.STARTING, slots.SlotState.WAITING)


def test_fleet_ends_with_1_when_all_workers_are_parked() -> None:
    story = Story(workers=1).running()
    for _ in range(5):
        story.exit("w0", CRASH)
        story.turn(after=4)
    assert story.turn() == []
    assert story["m"].state is slots.SlotState.DRAINING
    story.exit("m")

    assert (story.fleet.finished, story.fleet.exit_code) == (True, 1)


def test_worker_is_replaced_without_blame_when_it_ends_well() -> None:
    story = Story().running()
    for _ in range(10):
        story.exit("w0", CLEAN)
        assert story.turn(after=2) == ["spawn w0"]
        story.turn(after=2)


def test_clean_exit_is_a_failure_when_it_comes_at_once() -> None:
    story = Story(workers=1)
    for _ in range(5):
        story.turn(after=4)
        story.exit("w0", CLEAN)

    assert story["w0"].state is slots.SlotState.PARKED


def test_next_time_is_the_earliest_deadline_when_nothing_happens() -> None:
    story = Story(workers=1).running()
    assert story.fleet.next_at() == story.now - 2 + 120
    story.exit("w0", CRASH)
    story.turn()
    story.exit("w0", CRASH)

    assert story.fleet.next_at() == story.now + 0.5


def test_refused_fork_is_tried_again_later_when_the_system_is_full() -> None:
    story = Story(workers=1)
    for action in story.fleet.decide(story.now)[:1]:
        assert isinstance(action, fleet.Spawn)
        for _ in range(2):
            story.fleet.spawn_failed(action.slot, now=story.now)

    assert story["w0"].due_at == story.now + 0.5
