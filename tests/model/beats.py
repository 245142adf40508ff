"""How a worker learns of the row: notifications, and beats, which tell its successes too."""

from collections.abc import Iterator

from tests.model import policy
from tests.model.checker import Step
from tests.model.draft import Draft
from tests.model.shapes import BLIND, CLOSED, Beat, Guards, Size, Whole

Steps = Iterator[Step[Whole]]


def steps(state: Whole, number: int, size: Size, guards: Guards) -> Steps:
    """What this worker can be told now, and what it can tell."""
    worker, new = state.workers[number], Draft(state, size, guards)
    if not new.reaches(number):
        return
    if not worker.told and worker.view.epoch != state.row.epoch and state.row.announced:
        new.hear(number, notified=True)
        yield Step(f"worker {number} is notified", new.done(), new.broken)
    new = Draft(state, size, guards)
    if worker.beat:
        _answer(new, number, worker.beat[0])
        yield Step(f"worker {number}'s beat is answered", new.done(), new.broken)
        return
    _beat(new, number)
    if size.slow_beats:
        yield Step(f"worker {number} beats", new.done(), new.broken)
    else:
        _answer(new, number, new.workers[number].beat[0])
        yield Step(f"worker {number} beats and is answered", new.done(), new.broken)


def _beat(new: Draft, number: int) -> None:
    worker = new.workers[number]
    for epoch in worker.tally:
        sent = epoch if new.guards.tally_epoch else (worker.view.epoch[0], epoch[1])
        if sent[0] == new.row.epoch[0] and new.effective() == CLOSED:
            era = epoch[1] == new.row.epoch[1]
            new.require(era, "a sample of another epoch was counted")
            new.require(not worker.told_tally, "a sample was counted twice")
            new.went_well(number, new.row.epoch, ends_streak=False)
    kept = () if new.guards.told_once else worker.tally
    new.set(number, tally=kept, told_tally=bool(kept), beat=(Beat(new.row.view()),))


def _answer(new: Draft, number: int, beat: Beat) -> None:
    worker = new.workers[number]
    wins = not beat.newer or not new.guards.newest_wins
    if wins or policy.newer(worker.view.epoch[0], beat.view.epoch[0]):
        new.adopt(number, beat.view, told=worker.told or beat.told)
    age = beat.age if new.guards.blind_from_asking else 0
    new.set(number, age=min(age, BLIND + 1), beat=())
    if not new.guards.told_once:
        new.set(number, tally=(), told_tally=False)
