"""The protocol as a model for the checker: what workers, the database, time and bad luck may do.

Workers are processes with a gate (`worker.gate`, `worker.standing`, `worker.verdicts`); the row is
`breaker_state` with the functions of the breaker's migrations. Decisions are the product's own
(see `policy`); where SQL decides, tests/store holds SQL and the pure policy together. What is
modelled here are the orders in which these decisions may meet.
"""

from collections.abc import Iterator

from noggin_mp.domain.breaker import Sample
from tests.model import beats, policy, ranks, trials, world
from tests.model.checker import Step
from tests.model.draft import Draft
from tests.model.shapes import (
    BLIND,
    CLOSED,
    DEADLINE,
    NOBODY,
    OPEN,
    PAUSED,
    PAUSES,
    Guards,
    Request,
    Size,
    Whole,
    Worker,
)

Steps = Iterator[Step[Whole]]


class Protocol:
    """The protocol at one size, with all guards or without some of them."""

    def __init__(self, size: Size, guards: Guards | None = None) -> None:
        self.size = size
        self.guards = guards or Guards()

    def first(self) -> Whole:
        """Every worker has just heard of the row."""
        worker = Worker(view=self.size.row.view(), told=True, age=0)
        return Whole(self.size.row, (worker,) * self.size.workers, self.size.faults)

    def steps(self, state: Whole) -> Steps:
        """All that may happen next."""
        for number, worker in enumerate(state.workers):
            if not worker.stalled:
                yield from self._gate(state, number)
                yield from self._requests(state, number)
                yield from beats.steps(state, number, self.size, self.guards)
            yield from world.fates(self._draft(state), number)
        yield from world.people(state, self.size, self.guards)
        yield from world.database(state, self.size, self.guards)
        yield from world.time(self._draft(state))

    def canonical(self, state: Whole) -> Whole:
        """Workers in order, epochs by rank."""
        if self.guards.epochs_grow:
            state = ranks.ranked(state)
        return state._replace(workers=tuple(sorted(state.workers)))

    def _draft(self, state: Whole) -> Draft:
        return Draft(state, self.size, self.guards)

    def well(self, state: Whole) -> bool:
        """True when a request could go out of every worker, or there is no way back to look for."""
        if not (self.size.trials and self.size.recovers):
            return True
        closed = policy.effective(state.row.state, state.row.until, state.row.paused)
        return closed == CLOSED and all(
            worker.requests or self._held(worker) is None for worker in state.workers
        )

    # Asking.

    def _held(self, worker: Worker) -> str | None:
        """What the gate says to a thread that asks: None = go, "probe" = a trial is due."""
        if worker.stalled or (self.guards.blind and worker.age > BLIND):
            return "blind"
        if worker.pause:
            return "paused"
        token = worker.token if self.guards.fingerprint else NOBODY
        held, due = policy.hold(worker.view, self.size.host, token)
        if held:
            return "probe" if due else "closed"
        if worker.alone == NOBODY:
            return None
        trying = any(request.kind == "trial" for request in worker.requests)
        return "quarantine" if trying or worker.alone else None

    def _gate(self, state: Whole, number: int) -> Steps:
        worker, new = state.workers[number], self._draft(state)
        if len(worker.requests) >= self.size.slots:
            return
        held = self._held(worker)
        if held is None and self.size.work:
            self._admit(new, number)
            yield Step(f"worker {number} sends a request", new.done(), new.broken)
        elif (
            held == "probe"
            and self.size.trials
            and new.reaches(number)
            and self._may_ask(new, number)
        ):
            yield from self._ask(new, number)

    def _admit(self, new: Draft, number: int) -> None:
        worker = new.workers[number]
        shut = policy.hold(new.row.view(), self.size.host, worker.token)[0]
        new.require(not (worker.told and shut), "a request after hearing that the way is closed")
        new.require(not worker.owed, "a request in a pause that its own worker was asked for")
        new.require(not (shut and new.row.age > BLIND), "a request long after the way was closed")
        trial = worker.alone != NOBODY
        request = Request("trial" if trial else "plain", "wire", worker.view.epoch, late=shut)
        new.begin(number, request._replace(token=worker.token))

    def _may_ask(self, new: Draft, number: int) -> bool:
        asking = any(request.phase in ("ask", "want") for request in new.workers[number].requests)
        if not self.guards.checked_under_lock:
            return not asking and trials.due(new, new.workers[number].token)
        return not asking and trials.due(new, new.workers[number].token) and not trials.locked(new)

    def _ask(self, new: Draft, number: int) -> Steps:
        token = new.workers[number].token
        if not self.guards.checked_under_lock:
            new.begin(number, Request("probe", "want", token=token))
            yield Step(f"worker {number} sees that a trial is due", new.done())
            return
        trials.grant(new, number)
        new.set(number, told=False)
        phase = "ask" if self.size.slow_grants else "wire"
        new.begin(number, Request("probe", phase, new.row.epoch, DEADLINE, token=token))
        if phase == "wire":
            new.hear(number)
        new.one_probe()
        yield Step(f"worker {number} is granted the trial", new.done(), new.broken)

    # Requests that are under way.

    def _requests(self, state: Whole, number: int) -> Steps:
        for place, request in enumerate(state.workers[number].requests):
            if place and request == state.workers[number].requests[place - 1]:
                continue
            if request.phase == "want":
                yield from self._take(state, number, request)
            elif request.phase == "ask":
                yield from self._granted(state, number, request)
            elif request.phase == "wire":
                for outcome in self.size.outcomes:
                    yield from self._end(state, number, request, outcome)
            else:
                yield from self._tell(state, number, request)

    def _take(self, state: Whole, number: int, request: Request) -> Steps:
        new = self._draft(state)
        new.drop(number, request)
        label = f"worker {number} does not get the lock"
        if new.reaches(number) and not trials.locked(new):
            trials.grant(new, number)
            taken = Request("probe", "wire", new.row.epoch, DEADLINE, token=request.token)
            new.begin(number, taken)
            new.hear(number)
            new.one_probe()
            label = f"worker {number} takes the lock for its trial"
        yield Step(label, new.done(), new.broken)

    def _granted(self, state: Whole, number: int, request: Request) -> Steps:
        new = self._draft(state)
        if not new.reaches(number):
            return
        new.drop(number, request)
        new.hear(number)
        if self.guards.deadline_from_asking and request.left <= 0:
            trials.tried(new, number, request, "late")
            new.hear(number)
            yield Step(f"worker {number}'s grant arrives too late", new.done(), new.broken)
            return
        left = request.left if self.guards.deadline_from_asking else DEADLINE
        new.begin(number, request._replace(phase="wire", left=left))
        new.one_probe()
        yield Step(f"worker {number}'s grant arrives, it sends the trial", new.done(), new.broken)

    def _end(self, state: Whole, number: int, request: Request, outcome: str) -> Steps:
        label = f"worker {number}'s {request.kind} request ends: {outcome}"
        new = self._draft(state)
        new.drop(number, request)
        pauses, refuses = outcome in PAUSES, policy.sample(outcome) is Sample.AUTH
        if pauses:
            self._pause_here(new, number, PAUSES[outcome])
        if request.kind == "probe" or pauses or refuses:
            new.begin(number, request._replace(phase=outcome, left=0))
            yield Step(label, new.done(), new.broken)
        elif policy.sample(outcome) is Sample.SUCCESS:
            self._succeed(new, number, request)
            yield Step(label, new.done(), new.broken)
        else:
            yield from self._fail(new, number, request, label)

    def _pause_here(self, new: Draft, number: int, steps: int) -> None:
        worker = new.workers[number]
        new.set(number, owed=max(worker.owed, steps))
        if self.guards.own_pause:
            new.set(number, pause=max(worker.pause, steps))
            return
        view = worker.view
        state = policy.effective(view.state, view.until, view.paused)
        if state in (CLOSED, PAUSED):
            paused = max(view.paused, steps)
            new.set(number, view=view._replace(state=PAUSED, paused=paused))

    def _succeed(self, new: Draft, number: int, request: Request) -> None:
        worker = new.workers[number]
        if request.kind == "trial":
            worker = new.set(number, alone=NOBODY)
        if any(vote.streak for vote in worker.vote):
            if new.reaches(number) and worker.age <= BLIND:
                new.went_well(number, request.epoch, ends_streak=True)
                new.hear(number)
        elif not self.size.tallies:
            return
        elif not self.guards.tally_epoch:
            new.set(number, tally=(worker.tally or (request.epoch,)), told_tally=False)
        elif request.epoch[0] == worker.view.epoch[0]:
            new.set(number, tally=(request.epoch,), told_tally=False)

    def _fail(self, new: Draft, number: int, request: Request, label: str) -> Steps:
        if request.kind == "trial":
            new.set(number, alone=OPEN)
        leaked = new.set(number, leaked=new.workers[number].leaked + request.late).leaked
        most = self.size.slots * (1 + self.size.slow_beats)  # a late answer may end one's blindness
        new.require(leaked <= most, "more failures in an outage than requests at a time")
        before = new.done()
        if new.workers[number].age > BLIND and self.guards.blind:
            yield Step(f"{label}, blind", before, new.broken)
            return
        if new.reaches(number):
            alone = new.fail(number, request)
            unanswered, broken = new.done(), new.broken
            new.hear(number)
            if alone and new.workers[number].alone == NOBODY:
                new.set(number, alone=OPEN)
            yield Step(label, new.done(), new.broken)
            if new.faults.lost_answers:
                lost = self._draft(unanswered)
                lost.spend("lost_answers")
                lost.lose(number)
                if not self.guards.told_once:
                    again = request._replace(phase="fail", counted=True)
                    lost.begin(number, again)
                yield Step(f"{label}, the answer to its report is lost", lost.done(), broken, True)
        else:
            new.lose(number)
            yield Step(f"{label}, its report is lost", new.done(), new.broken)

    def _tell(self, state: Whole, number: int, request: Request) -> Steps:
        new = self._draft(state)
        outcome = request.phase
        new.drop(number, request)
        if not new.reaches(number) or not request.session:
            new.lose(number)
            yield Step(f"worker {number}'s report of {outcome} is lost", new.done(), new.broken)
            return
        if outcome in PAUSES:
            new.pause(PAUSES[outcome])
            self._paused(new, number)
        elif outcome == "401" and not (request.kind == "probe" and self.size.host):
            new.refuse(request)
        elif outcome == "fail" and request.kind != "probe":
            new.fail(number, request)
        if request.kind == "probe":
            trials.tried(new, number, request, outcome)
        new.hear(number)
        yield Step(f"worker {number} reports {outcome}", new.done(), new.broken)

    def _paused(self, new: Draft, number: int) -> None:
        """The row says it now; another 429 of this worker's may still be on its way there."""
        waiting = [PAUSES[r.phase] for r in new.workers[number].requests if r.phase in PAUSES]
        if not waiting:
            new.set(number, pause=0, owed=0)
