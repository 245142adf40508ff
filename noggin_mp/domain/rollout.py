"""One new configuration on its way to every child: when it has arrived, and when it has failed.

All times are monotonic seconds that the caller hands in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from noggin_mp.domain import actions, fleet, slots

RETURN_S = 300.0
"""So long a return to the old settings is waited for; then the reload is over, come what may."""


class Way(StrEnum):
    """How a configuration reaches the children."""

    LIVE = "live"  # told, and taken over in place
    ROLLED = "rolled"  # by replacing one after another
    RETURNED = "returned"  # the last one failed: those who have it are replaced


class Verdict(StrEnum):
    """Where a rollout stands."""

    GOING = "going"
    SILENT = "silent"  # somebody did not answer: replace who did not
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class Rollout:
    """The settings of one generation being given to all slots."""

    way: Way
    generation: int
    rules: slots.Rules
    begun: float
    failure: str = ""
    """Why it failed, as soon as that is known."""

    def verdict(self, children: Iterable[slots.Slot], *, now: float) -> Verdict:
        """Where it stands, after all that the children said so far."""
        everyone = list(children)
        if self.way is Way.RETURNED:
            over = now - self.begun > RETURN_S
            return Verdict.DONE if over or self._returned(everyone) else Verdict.GOING
        if not self.failure and self.way is Way.ROLLED:
            self.failure = self._overdue(everyone, now)
        if self.failure:
            return Verdict.FAILED
        if self.way is Way.LIVE:
            if not any(self._must_answer(slot) for slot in everyone):
                return Verdict.DONE
            return Verdict.SILENT if now - self.begun > self.rules.answer_s else Verdict.GOING
        return Verdict.DONE if all(self._at_work(slot) for slot in everyone) else Verdict.GOING

    def ended(self, slot: slots.Slot, exit_: slots.Exit, *, halting: bool) -> None:
        """Account for a tenant's end, before its slot forgets it."""
        if self.way is not Way.ROLLED or slot.generation != self.generation:
            return
        if slot.state is slots.SlotState.DRAINING:
            return
        if halting or not slot.at_work:
            self.failed(f"{slot.name} ended before it was at work ({exit_})")

    def failed(self, reason: str) -> None:
        """The new settings do not work; the first reason stands."""
        self.failure = self.failure or reason

    def _must_answer(self, slot: slots.Slot) -> bool:
        return slot.wanted and slot.state in slots.WORKING and slot.generation < self.generation

    def _overdue(self, everyone: Iterable[slots.Slot], now: float) -> str:
        for slot in everyone:
            late = slot.live and not slot.at_work and now - slot.spawned_at > self.rules.ready_s
            if late and slot.wanted and slot.generation == self.generation:
                return f"{slot.name} was not at work within {self.rules.ready_s:g} s"
        return ""

    def _at_work(self, slot: slots.Slot) -> bool:
        if not slot.wanted:
            return True
        current = slot.generation == self.generation and slot.state is slots.SlotState.RUNNING
        return current or slot.state is slots.SlotState.PARKED

    def _returned(self, everyone: Iterable[slots.Slot]) -> bool:
        """True when nobody has the failed settings any more, and all are at work again."""
        wanted = [slot for slot in everyone if slot.wanted]
        stale = any(slot.live and slot.generation < self.generation for slot in wanted)
        return not stale and all(slot.state in slots.SETTLED for slot in wanted)


def begin(fleet_: fleet.Fleet, way: Way, *, rules: slots.Rules, now: float) -> Rollout:
    """Give the fleet new settings: who is forked from now on has them, the others will get them."""
    fleet_.rules = rules
    fleet_.generation += 1
    fleet_.unproven.add(fleet_.generation)
    fleet_.unpark(now=now)
    made = Rollout(way=way, generation=fleet_.generation, rules=rules, begun=now)
    if way is Way.ROLLED:
        replace_silent(fleet_, made)
    return made


def replace_silent(fleet_: fleet.Fleet, rollout: Rollout) -> None:
    """Replace, one after another, who does not have the settings of `rollout`."""
    rollout.way = Way.ROLLED
    fleet_.rolls_below = rollout.generation


def succeeded(fleet_: fleet.Fleet, rollout: Rollout) -> None:
    """The settings of `rollout` are proven: from now on exit codes mean what they say."""
    fleet_.unproven.discard(rollout.generation)


def turn_back(
    fleet_: fleet.Fleet, failed: Rollout, *, rules: slots.Rules, now: float
) -> tuple[Rollout, list[actions.Signal]]:
    """Give the old settings back to who has the new ones; the others need nothing.

    Who never came to work is ended at once, the rest one after another. Whose exit code would halt
    the fleet does not, for the generation stays unproven.
    """
    fleet_.rules = rules
    fleet_.generation += 1
    fleet_.rolls_below = fleet_.generation
    ended = []
    for slot in fleet_:
        if slot.live and slot.generation != failed.generation:
            slot.generation = fleet_.generation
        elif slot.state in slots.WORKING and not slot.at_work:
            slot.asked_to_end(deadline=now + rules.abort_s, why=slots.ExitReason.ROLLED)
            ended.append(actions.Signal(slot=slot, sign=slots.Sign.TERM))
        slot.forgive(now=now)
    made = Rollout(
        way=Way.RETURNED,
        generation=fleet_.generation,
        rules=rules,
        begun=now,
        failure=failed.failure,
    )
    return made, ended
