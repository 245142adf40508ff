"""A state in the making: what the database and a gate do in a step, and the laws they keep."""

from noggin_mp.domain import breaker
from noggin_mp.domain.breaker import Event
from tests.model import policy, ranks
from tests.model.shapes import (
    BLIND,
    CLOSED,
    NOBODY,
    OPEN,
    PAUSED,
    Epoch,
    Guards,
    Request,
    Size,
    View,
    Vote,
    Whole,
    Worker,
)


class Draft:
    """One state, changed by one step. `broken` names the first law that the step broke."""

    __slots__ = (
        "backup",
        "broken",
        "down",
        "faults",
        "guards",
        "row",
        "size",
        "state",
        "workers",
    )

    def __init__(self, state: Whole, size: Size, guards: Guards) -> None:
        self.state = state
        self.size = size
        self.guards = guards
        self.row = state.row
        self.workers = list(state.workers)
        self.down = state.down
        self.backup = state.backup
        self.faults = state.faults
        self.broken = ""

    def done(self) -> Whole:
        """The state after the step."""
        return Whole(self.row, tuple(self.workers), self.faults, self.backup, self.down)

    def require(self, kept: bool, law: str) -> None:
        """Note that `law` is broken unless it is `kept`."""
        if not kept and not self.broken:
            self.broken = law

    def set(self, number: int, **fields: object) -> Worker:
        """Change fields of a worker."""
        self.workers[number] = worker = self.workers[number]._replace(**fields)  # type: ignore[arg-type]
        return worker

    def spend(self, fault: str) -> None:
        """Use up one of the faults of this kind."""
        self.faults = self.faults._replace(**{fault: getattr(self.faults, fault) - 1})

    def reaches(self, number: int) -> bool:
        """Do this worker's calls reach the database?"""
        worker = self.workers[number]
        return worker.linked and not worker.stalled and not self.down

    def begin(self, number: int, request: Request) -> None:
        """One request more."""
        requests = (*self.workers[number].requests, request)
        self.set(number, requests=tuple(sorted(requests)))

    def drop(self, number: int, request: Request) -> None:
        """One request less."""
        requests = list(self.workers[number].requests)
        requests.remove(request)
        self.set(number, requests=tuple(requests))

    def one_probe(self) -> None:
        """The law of all laws."""
        under_way = [r for w in self.workers for r in w.requests if r.kind == "probe"]
        flying = sum(request.phase == "wire" for request in under_way)
        self.require(flying <= 1, "two trials in flight at the same time")

    # The row. Each change has a new epoch; which states may follow is for `breaker.move` to say.

    def effective(self) -> str:
        """The state of the row that holds now."""
        return policy.effective(self.row.state, self.row.until, self.row.paused)

    def moved(self, event: Event) -> str:
        """Where `event` leads to from here; an unlisted move breaks a law."""
        try:
            return policy.move(self.effective(), event)
        except breaker.IllegalMove as error:
            self.require(False, f"an unlisted move: {error}")
            return self.row.state

    def change(self, by_hand: bool = False, **fields: object) -> None:
        """Write a changed row: it has a new epoch, and nobody has heard of it yet."""
        known, old = ranks.epochs(self.done()), self.row
        number = max(n for n, _ in known) if self.guards.epochs_grow else old.epoch[0]
        epoch = (number + 1, max(era for _, era in known) + 1)
        self.row = old._replace(epoch=epoch, announced=True, age=0, **fields)  # type: ignore[arg-type]
        self.require(by_hand or self.row.paused >= old.paused, "a pause was shortened")
        for number, worker in enumerate(self.workers):
            beat = tuple(beat._replace(told=False) for beat in worker.beat)
            self.workers[number] = worker._replace(told=False, beat=beat)
        if self.effective() == CLOSED:
            self.over()

    def over(self) -> None:
        """An outage is over: what went out in it is not of the next."""
        for number, worker in enumerate(self.workers):
            requests = tuple(sorted(r._replace(late=False) for r in worker.requests))
            self.workers[number] = worker._replace(requests=requests, leaked=0)

    def opened(self, event: Event) -> None:
        """A trip, or a failed trial."""
        ended = event is Event.TRIAL_FAILED or not self.guards.lease_outlives_acts
        lease = 0 if ended else self.row.lease
        self.change(state=self.moved(event), until=OPEN, trials=0, lease=lease)
        self.unowned()

    def closed(self, event: Event, *, by_hand: bool = False, auth: bool = False) -> None:
        """Trials passed, or a person closed it."""
        outlives = by_hand and self.guards.lease_outlives_acts
        fields: dict[str, object] = {"paused": 0} if by_hand else {}
        fields |= {
            "until": 0,
            "refused": (),
            "burnt": (),
            "lease": self.row.lease if outlives else 0,
        }
        self.change(by_hand, state=self.moved(event), trials=0, **fields)
        if auth or by_hand:
            self.row = self.row._replace(auth=self.row.epoch)
        self.unowned()
        self.forget_votes()

    def forced(self) -> None:
        """`breaker_force` with the verb open."""
        lease = self.row.lease if self.guards.lease_outlives_acts else 0
        state = self.moved(Event.FORCE)
        self.change(state=state, until=OPEN, trials=0, refused=(), burnt=(), lease=lease)
        self.unowned()
        if self.guards.votes_end:
            self.forget_votes()

    def unowned(self) -> None:
        self.workers = [w._replace(owner=False) for w in self.workers]

    def forget_votes(self) -> None:
        self.workers = [w._replace(vote=()) for w in self.workers]

    # Reports.

    def counts(self, request: Request) -> bool:
        """Does the database take this sample? It must be of the open epoch, and taken once."""
        known = request.epoch[0] == self.row.epoch[0] or not self.guards.report_epoch
        if not known or self.effective() != CLOSED:
            return False
        self.require(request.epoch[1] == self.row.epoch[1], "a sample of another epoch was counted")
        self.require(not request.counted, "a sample was counted twice")
        return True

    def fail(self, number: int, request: Request) -> bool:
        """`breaker_report`; True when the worker is put in quarantine."""
        if not self.counts(request):
            return False
        streak, quarantined = 0, False
        for vote in self.workers[number].vote:
            if vote.epoch[0] == self.row.epoch[0]:
                streak, quarantined = vote.streak, vote.quarantined
        streak = min(streak + 1, self.size.fail_max)
        self.set(number, vote=(Vote(streak, quarantined, self.row.epoch),))
        decision = self.decide(number)
        if decision.startswith("trip"):
            self.opened(Event.TRIP)
            self.forget_votes()
        elif decision == breaker.Decision.QUARANTINE:
            self.set(number, vote=(Vote(streak, True, self.row.epoch),))
        return decision == breaker.Decision.QUARANTINE

    def decide(self, number: int) -> str:
        votes = []
        for worker in self.workers:
            for vote in worker.vote:
                mixed = vote.epoch[1] != self.row.epoch[1] and vote.streak > 0
                self.require(not mixed, "votes of two epochs were added up")
            known = [(vote.streak, vote.quarantined) for vote in worker.vote]
            votes.append(known[0] if known else (-1, False))
        return policy.decide(tuple(votes), number, self.size.fail_max)

    def went_well(self, number: int, epoch: Epoch, *, ends_streak: bool) -> None:
        """`breaker_recovered`, and a beat's vote: successes under `epoch`."""
        if epoch[0] != self.row.epoch[0] or self.effective() != CLOSED:
            return
        kept = [v for v in self.workers[number].vote if v.epoch[0] == epoch[0] and not ends_streak]
        self.set(number, vote=tuple(kept) or (Vote(0, False, self.row.epoch),))

    def pause(self, steps: int) -> None:
        """`breaker_pause`: never shortens."""
        longer = self.row.paused < steps or not self.guards.never_shorten
        if longer:
            state = self.row.state
            if self.effective() in (CLOSED, PAUSED):
                state = self.moved(Event.PAUSE)
            self.change(state=state, paused=steps)

    def refuse(self, request: Request) -> None:
        """`breaker_auth_stop`."""
        if request.epoch[0] < self.row.auth[0]:
            return
        if self.effective() in (CLOSED, PAUSED):
            tokens = (request.token,)
            self.change(state=self.moved(Event.REFUSE), until=0, refused=tokens, burnt=tokens)

    # Gates.

    def hear(self, number: int, *, notified: bool = False) -> None:
        """A worker is told the row as it is, by a notification or by the answer to a call."""
        worker = self.workers[number]
        taken = policy.newer(worker.view.epoch[0], self.row.epoch[0])
        if taken:
            changed = worker.view.epoch != self.row.epoch
            beat = tuple(b._replace(newer=b.newer or changed) for b in worker.beat)
            self.set(number, beat=beat)
            self.adopt(number, self.row.view(), told=True)
        elif notified:
            self.set(number, told=True)

    def adopt(self, number: int, view: View, *, told: bool) -> None:
        """Take a row over; where it is not closed, the fleet's breaker replaces a quarantine."""
        worker = self.set(number, view=view, told=told)
        if view.state != CLOSED and worker.alone != NOBODY:
            self.set(number, alone=NOBODY)

    def lose(self, number: int) -> None:
        """A call did not reach the database, or its answer did not come back."""
        if self.guards.blind:
            self.set(number, age=BLIND + 1)
