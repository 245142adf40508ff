"""Recycling and stalled threads as tables: who is replaced, when, and one at a time."""

import dataclasses

import pytest

from noggin_mp.domain import fleet, recycling, slots
from tests.support.fleet_story import CRASH, KILLED, RULES, Story

MB = 10**6


def life(**what: float) -> recycling.Life:
    return recycling.Life(**what)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "came_to", "age_s", "due"),
    [
        ({}, {"tips": 10**9, "rss_bytes": 10**12}, 10**9, None),
        ({"tips": 100}, {"tips": 99}, 1, None),
        ({"tips": 100}, {"tips": 100}, 1, "100 TIPs done"),
        ({"tips": 100}, {"tips": 100, "factor": 1.2}, 1, None),
        ({"tips": 100}, {"tips": 80, "factor": 0.8}, 1, "80 TIPs done"),
        ({"rss_bytes": 400 * MB}, {"rss_bytes": 399 * MB}, 99, None),
        ({"rss_bytes": 400 * MB}, {"rss_bytes": 401 * MB}, 99, "401 MB of memory"),
        ({"rss_bytes": 400 * MB}, {"rss_bytes": 401 * MB}, 59, None),
        ({"age_s": 3600}, {}, 3599, None),
        ({"age_s": 3600}, {}, 3600, "3600 s of age"),
        ({"age_s": 3600}, {"factor": 1.1}, 3600, None),
    ],
)
def test_worker_is_due_when_it_has_come_to_a_limit(
    limits: dict[str, int], came_to: dict[str, float], age_s: float, due: str | None
) -> None:
    assert recycling.due(recycling.Limits(**limits), life(**came_to), age_s=age_s) == due


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.8), (0.5, 1.0), (1.0, 1.2)])
def test_limits_differ_by_a_fifth_when_jitter_says_so(jitter: float, factor: float) -> None:
    assert recycling.factor(jitter) == pytest.approx(factor)


class Recycling(Story):
    """Limits of 100 TIPs (120 with this jitter)."""

    def __init__(self, workers: int = 3, **options: bool) -> None:
        super().__init__(workers, **options)
        limits = recycling.Limits(tips=100)
        self.fleet.rules = dataclasses.replace(RULES, recycle=limits)
        self.running()

    def tips(self, count: int, *names: str) -> None:
        for name in names:
            self.fleet.beat(self[name], now=self.now, busy=1, tips=count)


def test_workers_are_recycled_one_at_a_time_when_all_are_due() -> None:
    story = Recycling()
    story.tips(119, "w0", "w1", "w2")
    assert story.turn() == []
    story.tips(121, "w0", "w1", "w2")
    assert story.turn() == ["TERM w0"]
    assert story.turn() == []
    assert story["w0"].exit_reason(slots.Exit(code=0)) == "recycled"
    story.exit("w0")
    assert story.turn() == ["spawn w0"]
    assert story.turn() == []  # until the new tenant is at work
    story.beat("w0")
    assert story.turn() == ["TERM w1"]
    story.exit("w1", KILLED)  # over its grace: asked all the same
    assert story.turn() == ["spawn w1"]
    assert list(story["w1"].failures) == []


def test_nobody_is_recycled_when_another_worker_is_down() -> None:
    story = Recycling()
    story.tips(500, "w0")
    story.exit("w1", CRASH)
    assert story.turn() == ["spawn w1"]
    assert story.turn() == []
    story.beat("w1")

    assert story.turn() == ["TERM w0"]


def test_new_settings_go_before_recycling_when_both_are_due() -> None:
    story = Recycling()
    story.tips(500, "w2")
    story.fleet.roll(now=story.now, rules=story.fleet.rules)
    assert story.turn() == ["TERM w0"]

    assert story["w0"].exit_reason(slots.Exit(code=0)) == "rolled"


def test_nobody_is_recycled_when_each_worker_has_a_share_to_do() -> None:
    story = Recycling(finite=True)
    story.tips(500, "w0", "w1", "w2")

    assert story.turn() == []


def test_recycling_ends_when_the_fleet_drains() -> None:
    story = Recycling(workers=2)
    story.tips(500, "w0", "w1")
    story.turn()
    story.fleet.drain(now=story.now, exit_code=0, reason="asked")

    assert story.turn() == ["TERM w1"]


@pytest.mark.parametrize(
    ("state", "code", "signal", "reason"),
    [
        (slots.SlotState.RUNNING, 0, None, "clean"),
        (slots.SlotState.RUNNING, 70, None, "failed"),
        (slots.SlotState.STARTING, None, 11, "crashed"),
        (slots.SlotState.HUNG, None, 6, "hung"),
        (slots.SlotState.KILLED, None, 9, "hung"),
        (slots.SlotState.DRAINING, None, 9, "drained"),
    ],
)
def test_end_has_one_reason_when_a_tenant_ends(
    state: slots.SlotState, code: int | None, signal: int | None, reason: str
) -> None:
    slot = slots.Slot(kind=fleet.ChildKind.WORKER, number=0, state=state)

    assert slot.exit_reason(slots.Exit(code=code, signal=signal)) == reason


def test_worker_gets_abrt_when_one_of_its_threads_is_stuck() -> None:
    story = Story(workers=1).running()
    story.fleet.rules = dataclasses.replace(RULES, stall_s=100)
    story.fleet.beat(story["w0"], now=story.now, busy=8, stalled_s=98)
    assert story.turn() == []
    assert story.fleet.next_at() == story.now + 2
    story.fleet.beat(story["w0"], now=story.now, busy=8, stalled_s=0)
    assert story.turn(after=3) == []
    story.fleet.beat(story["w0"], now=story.now, busy=8, stalled_s=101)

    assert story.turn() == ["ABRT w0"]
    assert story.turn(after=5) == ["KILL w0"]


def test_slot_is_not_parked_when_the_database_is_away() -> None:
    story = Story(workers=1).running()
    away = slots.Exit(code=5)
    for _ in range(30):
        story.exit("w0", away)
        story.now = max(story.now, story["w0"].due_at)
        assert "spawn w0" in story.turn()
        story.beat("m")

    assert story["w0"].streak == 30
    assert story.fleet.phase is fleet.Phase.RUNNING


def test_parked_slots_get_a_fresh_start_when_unparked() -> None:
    story = Story().running()
    for _ in range(5):
        story.exit("w0", CRASH)
        story.turn(after=4)
    assert story["w0"].state is slots.SlotState.PARKED
    story.fleet.unpark(now=story.now)

    assert story.turn() == ["spawn w0"]
