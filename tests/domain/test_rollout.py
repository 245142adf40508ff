"""New settings on their way to a fleet: decided from slots and times alone."""

from collections.abc import Callable

import pytest

from noggin_mp.domain import fleet, rollout, slots
from noggin_mp.domain.rollout import Verdict, Way
from noggin_mp.domain.slots import ExitReason, SlotState

RULES = slots.Rules(answer_s=10, ready_s=60, abort_s=5)


class Bench:
    """A fleet of two workers and a monitor, all at work at second 0."""

    def __init__(self) -> None:
        self.fleet = fleet.Fleet(rules=RULES, workers=2, jitter=lambda: 0.5)
        self.now = 0.0
        self.pids = 100
        self.decide()
        for slot in self.fleet:
            self.at_work(slot)

    def slot(self, name: str) -> slots.Slot:
        return next(slot for slot in self.fleet if slot.name == name)

    def decide(self) -> list[str]:
        """Carry out what is due: the names of those told to end."""
        ended = []
        for action in self.fleet.decide(self.now):
            if isinstance(action, fleet.Spawn):
                self.pids += 1
                action.slot.spawned(now=self.now, pid=self.pids, generation=self.fleet.generation)
            else:
                ended.append(f"{action.sign} {action.slot.name}")
        return ended

    def at_work(self, slot: slots.Slot) -> None:
        self.fleet.beat(slot, now=self.now, busy=0)

    def gone(self, slot: slots.Slot, code: int | None = 0) -> None:
        end = slots.Exit(code=code, signal=None if code is not None else 9)
        self.fleet.exited(slot, now=self.now, exit_=end)

    def replaced(self, name: str) -> None:
        """The named one ends as it was told, and its successor comes to work."""
        assert self.decide() == [f"TERM {name}"]
        self.gone(self.slot(name))
        assert self.decide() == []
        self.at_work(self.slot(name))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def begun(bench: Bench, way: Way) -> rollout.Rollout:
    return rollout.begin(bench.fleet, way, rules=RULES, now=bench.now)


def verdict(bench: Bench, made: rollout.Rollout) -> Verdict:
    return made.verdict(bench.fleet, now=bench.now)


def test_live_settings_have_arrived_when_everybody_has_answered(bench: Bench) -> None:
    made = begun(bench, Way.LIVE)
    seen = [verdict(bench, made)]
    for slot in bench.fleet:
        slot.generation = made.generation
        seen.append(verdict(bench, made))

    assert seen == [Verdict.GOING] * 3 + [Verdict.DONE]
    assert bench.decide() == []


def test_who_does_not_answer_is_replaced_alone(bench: Bench) -> None:
    made = begun(bench, Way.LIVE)
    bench.slot("worker 0").generation = bench.slot("monitor").generation = made.generation
    bench.now = 10.5
    for slot in bench.fleet:
        bench.at_work(slot)
    assert verdict(bench, made) is Verdict.SILENT
    rollout.replace_silent(bench.fleet, made)
    bench.replaced("worker 1")

    assert verdict(bench, made) is Verdict.DONE


def test_a_tenant_that_ends_in_between_needs_no_answer(bench: Bench) -> None:
    made = begun(bench, Way.LIVE)
    bench.slot("worker 0").generation = bench.slot("monitor").generation = made.generation
    bench.gone(bench.slot("worker 1"), code=1)
    bench.decide()

    assert bench.slot("worker 1").generation == made.generation
    assert verdict(bench, made) is Verdict.DONE


def test_rolled_settings_reach_one_after_another_and_the_monitor_last(bench: Bench) -> None:
    made = begun(bench, Way.ROLLED)
    for name in ("worker 0", "worker 1", "monitor"):
        assert verdict(bench, made) is Verdict.GOING
        bench.replaced(name)

    assert verdict(bench, made) is Verdict.DONE
    assert bench.decide() == []


def test_nobody_goes_while_a_successor_is_alive_but_not_at_work(bench: Bench) -> None:
    begun(bench, Way.ROLLED)
    assert bench.decide() == ["TERM worker 0"]
    bench.gone(bench.slot("worker 0"))
    bench.decide()
    bench.fleet.beat(bench.slot("worker 0"), now=1.0, busy=-1)

    assert bench.slot("worker 0").state is SlotState.STARTING
    assert bench.decide() == []


def _ends_with_3(bench: Bench, made: rollout.Rollout, slot: slots.Slot) -> None:
    made.ended(slot, slots.Exit(code=3), halting=True)
    bench.gone(slot, code=3)


def _crashes(bench: Bench, made: rollout.Rollout, slot: slots.Slot) -> None:
    made.ended(slot, slots.Exit(code=None, signal=9), halting=False)
    bench.gone(slot, code=None)


def _is_late(bench: Bench, made: rollout.Rollout, slot: slots.Slot) -> None:
    bench.now = 61.0
    for one in bench.fleet:
        one.beat_at = bench.now


@pytest.mark.parametrize("fails", [_ends_with_3, _crashes, _is_late])
def test_old_settings_come_back_when_a_successor_fails(
    bench: Bench, fails: Callable[[Bench, rollout.Rollout, slots.Slot], None]
) -> None:
    made = begun(bench, Way.ROLLED)
    bench.replaced("worker 0")
    assert bench.decide() == ["TERM worker 1"]
    bench.gone(bench.slot("worker 1"))
    bench.decide()
    fails(bench, made, bench.slot("worker 1"))
    assert verdict(bench, made) is Verdict.FAILED
    assert bench.fleet.phase is fleet.Phase.RUNNING
    back, signals = rollout.turn_back(bench.fleet, made, rules=RULES, now=bench.now)
    if signals:  # who never came to work
        assert [signal.slot.name for signal in signals] == ["worker 1"]
        bench.gone(bench.slot("worker 1"))
    bench.decide()
    bench.at_work(bench.slot("worker 1"))
    assert verdict(bench, back) is Verdict.GOING
    bench.replaced("worker 0")

    assert verdict(bench, back) is Verdict.DONE
    assert bench.decide() == []  # the monitor never had the new ones
    assert {slot.generation for slot in bench.fleet} == {back.generation}
    assert bench.slot("worker 1").streak == 0


def test_an_exit_code_halts_again_once_the_settings_are_proven(bench: Bench) -> None:
    made = begun(bench, Way.ROLLED)
    for name in ("worker 0", "worker 1", "monitor"):
        bench.replaced(name)
    rollout.succeeded(bench.fleet, made)
    bench.gone(bench.slot("worker 0"), code=3)

    assert bench.fleet.phase is fleet.Phase.DRAINING
    assert bench.fleet.exit_code == 3


def test_a_crash_after_a_while_at_work_takes_nothing_back(bench: Bench) -> None:
    made = begun(bench, Way.ROLLED)
    bench.replaced("worker 0")
    made.ended(bench.slot("worker 0"), slots.Exit(code=None, signal=9), halting=False)

    assert verdict(bench, made) is Verdict.GOING


def test_a_return_is_over_at_last_come_what_may(bench: Bench) -> None:
    made = begun(bench, Way.ROLLED)
    made.failed("no good")
    back, _ = rollout.turn_back(bench.fleet, made, rules=RULES, now=0.0)
    bench.gone(bench.slot("worker 0"), code=1)
    assert verdict(bench, back) is Verdict.GOING
    bench.now = rollout.RETURN_S + 1

    assert verdict(bench, back) is Verdict.DONE
    assert back.failure == "no good"


def test_rolled_exits_are_told_as_such(bench: Bench) -> None:
    begun(bench, Way.ROLLED)
    bench.decide()
    slot = bench.slot("worker 0")

    assert slot.exit_reason(slots.Exit(code=0)) is ExitReason.ROLLED
