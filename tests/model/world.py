"""What happens to the protocol from outside: bad luck, people, the database's losses, and time."""

import functools
from collections.abc import Iterator
from typing import Any

from noggin_mp.domain.breaker import Event
from tests.model.checker import Step
from tests.model.draft import Draft
from tests.model.shapes import AUTH_STOP, BLIND, CLOSED, LEASE, Guards, Size, View, Whole, Worker

Steps = Iterator[Step[Whole]]


def fates(new: Draft, number: int) -> Steps:
    """What can happen to one worker: killed, cut off, stalled; and the end of that."""
    worker, faults, name = new.workers[number], new.faults, f"worker {number}"
    if faults.crashes and not worker.stalled:
        yield _fate(new, number, f"{name} is killed and started again", "crashes", _killed(worker))
    if faults.cuts and worker.linked and not worker.stalled:
        cut = _lost_sessions(worker._replace(linked=False))
        yield _fate(new, number, f"{name} is cut off from the database", "cuts", cut)
    # Not both: a machine that sleeps and loses its sessions too is beyond what a lease can bridge.
    whole = worker.linked and worker.requests and all(r.session for r in worker.requests)
    if faults.stalls and whole and not worker.stalled:
        yield _fate(new, number, f"{name} is stopped", "stalls", worker._replace(stalled=True))
    if worker.stalled:
        yield _fate(new, number, f"{name} goes on", "", _awake(worker))
    if not worker.linked:
        yield _fate(
            new, number, f"{name} reaches the database again", "", worker._replace(linked=True)
        )
    if worker.lock == 2:
        freed = worker._replace(lock=0)
        yield _fate(new, number, f"the server notices that {name}'s session is gone", "", freed)


def _fate(new: Draft, number: int, label: str, fault: str, worker: Worker) -> Step[Whole]:
    new = Draft(new.state, new.size, new.guards)
    new.workers[number] = worker
    if fault:
        new.spend(fault)
    return Step(label, new.done(), fault=bool(fault))


def _awake(worker: Worker) -> Worker:
    """The first thing it sees is that its trial is overdue."""
    requests = tuple(
        r._replace(phase="fail") if r.kind == "probe" and r.phase == "wire" and not r.left else r
        for r in worker.requests
    )
    return worker._replace(stalled=False, requests=tuple(sorted(requests)))


def _killed(worker: Worker) -> Worker:
    """A new process in its slot. The server sees a killed one's sessions end, if it sees it."""
    lock = 2 if worker.lock and not worker.linked else 0
    return Worker(
        linked=worker.linked, vote=worker.vote, owner=worker.owner, lock=lock, token=worker.token
    )


def _lost_sessions(worker: Worker) -> Worker:
    """All its sessions are gone for it; what the server thinks of them is another matter."""
    going = tuple(
        sorted(
            request._replace(session=False)
            for request in worker.requests
            if request.phase not in ("ask", "want")
        )
    )
    asked = len(going) < len(worker.requests)
    return worker._replace(
        requests=going,
        beat=(),
        age=BLIND + 1 if asked else worker.age,
        lock=2 if worker.lock else 0,
    )


def people(state: Whole, size: Size, guards: Guards) -> Steps:
    """Acts by hand, and new tokens."""
    row = state.row
    if row.state == AUTH_STOP and not state.down:
        new = Draft(state, size, guards)
        new.closed(Event.CLOSE, by_hand=True)
        yield Step("a person ends the auth stop", new.done(), new.broken)
    if state.faults.acts and not state.down:
        for verb in ("opens", "closes"):
            new = Draft(state, size, guards)
            new.spend("acts")
            if verb == "opens":
                new.forced()
            else:
                new.closed(Event.CLOSE, by_hand=True)
            yield Step(f"a person {verb} the breaker", new.done(), new.broken, True)
    if state.faults.tokens:
        for number, worker in enumerate(state.workers):
            new = Draft(state, size, guards)
            new.spend("tokens")
            new.set(number, token=worker.token + 1)
            yield Step(f"worker {number} reads a new token", new.done())


def database(state: Whole, size: Size, guards: Guards) -> Steps:
    """A copy is taken; the database is lost and the copy brought back; it is there again."""
    new = Draft(state, size, guards)
    if state.down == 1:
        new.down = 0
        yield Step("the restored database answers", new.done())
    if not state.faults.restores or state.down:
        return
    if not state.backup:
        new.backup = (state.row,)
        yield Step("a copy of the database is taken", new.done(), fault=True)
        return
    new.spend("restores")
    new.row = state.backup[0]._replace(announced=False, age=0)
    new.backup = ()
    new.down = 1 + LEASE if guards.restore_takes_time else 1
    for number, worker in enumerate(state.workers):
        lost = _lost_sessions(worker)
        new.workers[number] = lost._replace(lock=0, told=False, vote=(), owner=False)
    new.over()
    yield Step("the database is lost, an older copy is brought back", new.done(), fault=True)


def time(new: Draft) -> Steps:
    """One step of time, unless a trial must end first because its deadline has come."""
    guards = new.guards
    for worker in new.workers:
        for request in worker.requests:
            flying = request.kind == "probe" and request.phase == "wire"
            if flying and request.left <= 0 and guards.deadline and not worker.stalled:
                return
    row, was = new.row, new.effective()
    new.row = row._replace(
        age=min(row.age + 1, BLIND + 1), **_less(row, "until", "paused", "lease")
    )
    new.backup = tuple(b._replace(**_less(b, "until", "paused", "lease")) for b in new.backup)
    new.down = max(new.down - 1, 1) if new.down else 0
    new.workers = [_older(worker) for worker in new.workers]
    if was != CLOSED and new.effective() == CLOSED:
        new.over()
    yield Step("time passes", new.done(), new.broken)


@functools.lru_cache(maxsize=100_000)
def _older(worker: Worker) -> Worker:
    view: View = worker.view._replace(**_less(worker.view, "until", "paused", "lease"))
    return worker._replace(
        view=view,
        age=min(worker.age + 1, BLIND + 1),
        beat=tuple(beat._replace(age=min(beat.age + 1, BLIND + 1)) for beat in worker.beat),
        requests=tuple(sorted(r._replace(left=max(r.left - 1, 0)) for r in worker.requests)),
        **_less(worker, "pause", "owed"),
        alone=worker.alone - (worker.alone > 0),
    )


def _less(of: object, *names: str) -> dict[str, Any]:
    """These times, one step on."""
    return {name: max(getattr(of, name) - 1, 0) for name in names}
