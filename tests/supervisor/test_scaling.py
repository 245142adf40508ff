"""Requests for so many workers: answered when met, or as soon as somebody wants another number."""

from typing import Any

from noggin_mp.domain import fleet, slots
from noggin_mp.supervisor import scaling

FAILED = slots.Exit(code=1)


class Bench:
    """A fleet of two workers at work, and what was answered about it."""

    def __init__(self) -> None:
        self.fleet = fleet.Fleet(rules=slots.Rules(), workers=2, jitter=lambda: 0.5)
        self.answers: list[tuple[int, bool, dict[str, Any]]] = []
        self.scaling = scaling.Scaling(self.fleet, answer=self._answer)
        self.turn()

    def _answer(self, id_: int, *, ok: bool, **detail: Any) -> None:
        self.answers.append((id_, ok, detail))

    def ask(self, id_: int, workers: int, who: str = "") -> None:
        self.fleet.resize(workers, now=0.0)
        self.scaling.wants(id_, workers, who=who)

    def turn(self, *, beats: bool = True) -> None:
        """Whoever is due is forked; with `beats` they are at work, and who was told to end has."""
        for action in self.fleet.decide(0.0):
            if isinstance(action, fleet.Spawn):
                action.slot.spawned(now=0.0, pid=1, generation=0)
        for slot in [slot for slot in self.fleet if beats and slot.live]:
            if slot.state is slots.SlotState.DRAINING:
                self.fleet.exited(slot, now=9.0, exit_=slots.Exit(code=0))
            else:
                self.fleet.beat(slot, now=0.0, busy=0)
        self.scaling.turn()

    def told(self) -> list[tuple[int, bool, dict[str, Any]]]:
        told, self.answers = self.answers, []
        return told


def test_request_is_answered_when_its_workers_are_at_work_and_no_sooner() -> None:
    bench = Bench()
    bench.ask(1, 4)
    bench.turn(beats=False)
    assert bench.told() == []
    bench.turn()
    assert bench.told() == [(1, True, {"workers": 4})]
    bench.ask(2, 1)
    bench.turn(beats=False)
    assert bench.told() == []  # the three others have not ended
    bench.turn()
    assert bench.told() == [(2, True, {"workers": 1})]


def test_request_that_is_met_already_is_answered_at_once() -> None:
    bench = Bench()
    bench.ask(1, 2)
    bench.turn(beats=False)
    assert bench.told() == [(1, True, {"workers": 2})]


def test_slower_of_two_contradictory_requests_hears_at_once_who_overtook_it() -> None:
    bench = Bench()
    bench.ask(17, 8, who="ann@desk")
    bench.ask(18, 3, who="bob@desk")
    error = "overtaken by request 18 for 3 workers by bob@desk"
    detail = {"result": "overtaken", "error": error, "overtaken_by": 18}
    assert bench.told() == [(17, False, detail)]
    bench.turn()
    assert bench.told() == [(18, True, {"workers": 3})]


def test_two_requests_for_the_same_number_are_both_met() -> None:
    bench = Bench()
    bench.ask(1, 3)
    bench.ask(2, 3)
    bench.turn()
    assert [(id_, ok) for id_, ok, _ in bench.told()] == [(1, True), (2, True)]


def test_request_is_overtaken_by_whatever_else_changes_the_number() -> None:
    bench = Bench()
    bench.ask(1, 5)
    bench.fleet.resize(6, now=0.0)
    bench.scaling.overtaken("SIGTTIN")
    bench.ask(2, 5)
    bench.fleet.resize(2, now=0.0)
    bench.scaling.turn()
    bench.ask(3, 5)
    bench.fleet.drain(now=0.0, exit_code=0, reason="asked")
    bench.scaling.turn()
    told = [(id_, ok, detail["error"]) for id_, ok, detail in bench.told()]
    assert told == [
        (1, False, "overtaken by SIGTTIN"),
        (2, False, "overtaken by a reload, after which fleet.workers counts again"),
        (3, False, "overtaken by the end of this fleet"),
    ]


def test_request_whose_workers_fail_hears_that_they_are_parked() -> None:
    bench = Bench()
    bench.ask(1, 3)
    bench.turn(beats=False)
    [slot] = [one for one in bench.fleet if one.name == "worker 2"]
    for _ in range(slots.Rules().park_after_exits):
        slot.spawned(now=0.0, pid=1, generation=0)
        bench.fleet.exited(slot, now=0.0, exit_=FAILED)
    bench.scaling.turn()
    assert bench.told() == [
        (1, False, {"result": "parked", "error": "worker 2 fails, and is parked"})
    ]
