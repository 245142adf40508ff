"""The fleet's policy: exits, beats and deadlines go in; spawns, signals and the end come out.

Nothing here forks, signals or reads a clock: the supervisor hands in `now` (monotonic seconds) and
randomness, and carries out the actions that come back.
"""

from collections.abc import Callable, Iterator

from noggin_mp.domain import actions, child, ending, errors, recycling, replacing, slots

Action = actions.Action
Phase = actions.Phase
Signal = actions.Signal
Spawn = actions.Spawn
ChildContext = child.ChildContext
ChildKind = slots.ChildKind

HALTING_CODES = frozenset({2, 3, 4, 7})
"""A child that ends with one of these cannot work whatever is tried again: the fleet halts.

Source: the command line's exit codes: usage; config, schema or input; credentials; already running.
"""

EXIT_NEEDS_ATTENTION = 1
EXIT_INTERRUPTED = ending.EXIT_INTERRUPTED

MONITOR_LAST_S = 2.0
"""The monitor serves until the workers are gone, or until this long before the drain's deadline."""


class Fleet:
    """All slots and the decisions about them; one monitor and a number of workers.

    Callers report what happened (`spawned`, `beat`, `exited`, `told_*`, `drain`, `abort`...), then
    carry out what `decide` returns.
    """

    def __init__(
        self,
        *,
        rules: slots.Rules,
        workers: int,
        jitter: Callable[[], float],
        until_drained: bool = False,
        finite: bool = False,
        monitor: bool = True,
    ) -> None:
        """`finite`: a worker that ends with 0 has done its share and is not replaced."""
        self.rules = rules
        self.phase = Phase.STARTING
        self.generation = 0
        self.rolls_below = 0  # tenants with older settings than this are replaced
        self.unproven: set[int] = set()  # generations of which an exit code proves nothing
        self._ending = ending.Ending()
        self._jitter = jitter
        self._until_drained = until_drained
        self._finite = finite
        self._decided_at: float | None = None
        self._monitor = slots.Slot(kind=ChildKind.MONITOR, number=0) if monitor else None
        self._workers = {n: slots.Slot(kind=ChildKind.WORKER, number=n) for n in range(workers)}

    def __iter__(self) -> Iterator[slots.Slot]:
        """Every slot that is not gone: workers by number, then the monitor."""
        yield from (slot for _, slot in sorted(self._workers.items()))
        if self._monitor is not None:
            yield self._monitor

    @property
    def exit_code(self) -> int:
        """What the supervisor will exit with."""
        return self._ending.exit_code

    @property
    def reason(self) -> str:
        """Why the fleet ends, as a sentence; empty while it does not."""
        return self._ending.reason

    @property
    def error(self) -> errors.NogginError | None:
        """What ends the fleet, when that is a fault that no trying again could heal."""
        return self._ending.error

    @property
    def target(self) -> int:
        """How many worker slots are wanted."""
        return sum(slot.wanted for slot in self._workers.values())

    @property
    def rolling(self) -> bool:
        """True while some tenant still runs with older settings."""
        return any(slot.live and slot.generation < self.generation for slot in self)

    def beat(
        self, slot: slots.Slot, *, now: float, busy: int, tips: int = 0, stalled_s: float = 0.0
    ) -> None:
        """Account for a beat; the first of any worker makes the fleet run."""
        slot.beat(now=now, busy=busy, tips=tips, stalled_s=stalled_s)
        if self.phase is Phase.STARTING and slot.kind is ChildKind.WORKER and slot.at_work:
            self.phase = Phase.RUNNING

    def exited(self, slot: slots.Slot, *, now: float, exit_: slots.Exit) -> None:
        """Account for a tenant's end."""
        asked = slot.state is slots.SlotState.DRAINING
        if slot.kind is ChildKind.WORKER and self._finite and exit_.clean and not asked:
            slot.wanted = False
        slot.exited(now=now, exit_=exit_, rules=self.rules, jitter=self._jitter())
        if not asked and exit_.code in HALTING_CODES and slot.generation not in self.unproven:
            self.drain(now=now, exit_code=exit_.code, reason=f"{slot.name} ended: {exit_}")
        if slot.state is slots.SlotState.GONE and slot is not self._monitor:
            self._workers.pop(slot.number, None)
        self._check_all_done(now=now)

    def spawn_failed(self, slot: slots.Slot, *, now: float) -> None:
        """Account for a fork that the system refused."""
        slot.spawn_failed(now=now, rules=self.rules, jitter=self._jitter())
        self._check_all_done(now=now)

    def told_drained(self, *, now: float, exit_code: int) -> None:
        """The monitor found the queue drained: matters only when that is what we wait for."""
        if self._until_drained:
            self.drain(now=now, exit_code=exit_code, reason="the queue is drained")

    def told_auth_stop(self, *, now: float) -> None:
        """The API refuses the token: a fleet that should end would wait for ever."""
        if self._until_drained:
            remedy = "give a valid one in api.token_file or api.token"
            error = errors.CredentialsError("the API refuses the token", remedy=remedy)
            self.told_fatal(now=now, error=error)

    def told_local_trouble(self, *, now: float, error: errors.NogginError) -> None:
        """Our disk or folder fails: a fleet that should end would wait for a person, too."""
        if self._until_drained:
            self.told_fatal(now=now, error=error)

    def told_fatal(self, *, now: float, error: errors.NogginError) -> None:
        """No use in trying again: `error` ends the fleet, unless it is ending already."""
        if self.phase is not Phase.DRAINING:
            self._ending.error = error
            self.drain(now=now, exit_code=error.exit_code, reason=str(error))

    def drain(self, *, now: float, exit_code: int, reason: str) -> None:
        """Let everybody finish within grace, then end with `exit_code`; the first call stands."""
        if self.phase is Phase.DRAINING:
            return
        self.phase = Phase.DRAINING
        deadline = now + self.rules.grace_s
        self._ending.begin(exit_code=exit_code, reason=reason, deadline=deadline)
        for slot in self:
            slot.wanted = False

    def abort(self, *, now: float) -> tuple[Action, ...]:
        """End at once: QUIT, on which children hand back what they hold, and KILL soon after."""
        self.drain(now=now, exit_code=EXIT_INTERRUPTED, reason="interrupted")
        deadline = self._ending.hurry(latest=now + self.rules.abort_s)
        for slot in self._live():
            slot.asked_to_end(deadline=deadline)
        return tuple(Signal(slot=slot, sign=slots.Sign.QUIT) for slot in self._live())

    def kill(self, *, now: float) -> tuple[Action, ...]:
        """End by force."""
        self.drain(now=now, exit_code=EXIT_INTERRUPTED, reason="interrupted")
        self._ending.hurry(latest=now)
        return tuple(Signal(slot=slot, sign=slot.kill()) for slot in self._live())

    def interrupted(self, *, now: float) -> tuple[Action, ...]:
        """Account for Ctrl-C: the first drains, the second aborts, a third soon after it kills."""
        match self._ending.interrupted(now=now):
            case ending.Haste.KILL:
                return self.kill(now=now)
            case ending.Haste.ABORT:
                return self.abort(now=now)
            case ending.Haste.DRAIN:
                self.drain(now=now, exit_code=0, reason="interrupted")
                return ()

    def resize(self, workers: int, *, now: float) -> None:
        """Want this many worker slots: new ones wait for a spawn, the highest drain."""
        if self.phase is Phase.DRAINING:
            return
        for number in range(max(workers, 0)):
            slot = self._workers.setdefault(
                number, slots.Slot(kind=ChildKind.WORKER, number=number, due_at=now)
            )
            slot.wanted = True
        for number in [n for n in self._workers if n >= workers]:
            self._workers[number].wanted = False
            if not self._workers[number].live:
                del self._workers[number]

    def roll(self, *, now: float, rules: slots.Rules) -> None:
        """Replace every tenant, one at a time, so that each gets the new settings."""
        self.generation += 1
        self.rolls_below = self.generation
        self.rules = rules
        self.unpark(now=now)

    def unpark(self, *, now: float) -> None:
        """Give parked slots a fresh start: a person has done something about their cause."""
        for slot in self:
            slot.unpark(now=now)

    def decide(self, now: float) -> tuple[Action, ...]:
        """What is due at `now`; already accounted for, except that a spawn awaits `spawned`."""
        self._forgive_lapse(now)
        actions: list[Action] = []
        for slot in self:
            sign = slot.overdue(now=now, rules=self.rules)
            if sign is not None:
                actions.append(Signal(slot=slot, sign=sign))
        if self.phase is Phase.DRAINING:
            actions += self._decide_draining(now)
        else:
            actions += self._decide_retiring(now)
            actions += self._decide_replacing(now)
            actions += [self._spawn(slot) for slot in self if self._due(slot, now)]
        return tuple(actions)

    def next_at(self) -> float | None:
        """When `decide` will next have something to say, if nothing happens before."""
        times = [slot.next_at(rules=self.rules) for slot in self]
        if self._monitor is not None and self._monitor.state in slots.WORKING:
            times.append(self._monitor_deadline())
        return min((time for time in times if time is not None), default=None)

    @property
    def finished(self) -> bool:
        """True when the fleet was told to end and no child is left."""
        return self.phase is Phase.DRAINING and not self._live()

    def _live(self) -> list[slots.Slot]:
        return [slot for slot in self if slot.live]

    def _due(self, slot: slots.Slot, now: float) -> bool:
        return slot.wanted and slot.state is slots.SlotState.WAITING and slot.due_at <= now

    def _spawn(self, slot: slots.Slot) -> Spawn:
        slot.life = recycling.Life(factor=recycling.factor(self._jitter()))
        return Spawn(slot=slot)

    def _end(
        self, slot: slots.Slot, *, deadline: float, why: slots.ExitReason = slots.ExitReason.DRAINED
    ) -> Signal:
        slot.asked_to_end(deadline=deadline, why=why)
        return Signal(slot=slot, sign=slots.Sign.TERM)

    def _monitor_deadline(self) -> float | None:
        if self._ending.deadline is None:
            return None
        return self._ending.deadline - min(MONITOR_LAST_S, self.rules.grace_s / 2)

    def _decide_draining(self, now: float) -> list[Action]:
        assert self._ending.deadline is not None, "a draining fleet has a deadline"
        workers = [slot for slot in self._workers.values() if slot.live]
        ending = [slot for slot in workers if slot.state in slots.WORKING]
        if self._monitor is not None and self._monitor.state in slots.WORKING:
            last_call = self._monitor_deadline()
            if not workers or (last_call is not None and now >= last_call):
                ending.append(self._monitor)
        return [self._end(slot, deadline=self._ending.deadline) for slot in ending]

    def _decide_retiring(self, now: float) -> list[Action]:
        return [
            self._end(slot, deadline=now + self.rules.grace_s)
            for slot in self
            if not slot.wanted and slot.state in slots.WORKING
        ]

    def _decide_replacing(self, now: float) -> list[Action]:
        found = replacing.candidate(
            self,
            generation=self.rolls_below,
            recycle=None if self._finite else self.rules.recycle,
            now=now,
        )
        if found is None:
            return []
        return [self._end(found[0], deadline=now + self.rules.grace_s, why=found[1])]

    def _forgive_lapse(self, now: float) -> None:
        """When this process itself was stopped, silence of the children proves nothing."""
        if self._decided_at is not None and now - self._decided_at > self.rules.lapse:
            for slot in self._live():
                slot.beat_at = now
        self._decided_at = now

    def _check_all_done(self, *, now: float) -> None:
        workers = self._workers.values()
        if self.phase is Phase.DRAINING:
            return
        if not workers:
            self.drain(now=now, exit_code=0, reason="every worker has done its share")
        elif all(slot.state is slots.SlotState.PARKED for slot in workers):
            self.drain(
                now=now,
                exit_code=EXIT_NEEDS_ATTENTION,
                reason="every worker slot is parked after too many failures",
            )
