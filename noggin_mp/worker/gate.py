"""The gate: no request leaves this process without its permit, and every outcome is reported to it.

The job threads of a worker share one gate. What it knows of the fleet's breaker arrives by
notification and by the beat; what it learns it tells the database before the next request.
"""

import math
import random as random_module
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from noggin_mp.domain import breaker, holds, outcome
from noggin_mp.store import breaker as breaker_store
from noggin_mp.worker import exams, standing, turn, verdicts
from noggin_mp.worker import pacer as pacers
from noggin_mp.worker.permits import Permit, Verdict

__all__ = ["Gate", "Permit", "Refused", "Verdict"]

_RECHECK_S: Final = 5.0
_RESTED_S: Final = 1.0  # one that was dropped sooner is no stale connection but a failure


class Refused(Exception):
    """No permit: `reason` is closed, paused, auth_stop, blind or cancelled.

    `remaining_s` is how long that is known to last, infinite when no end is known.
    """

    def __init__(self, reason: holds.Reason, remaining_s: float) -> None:
        super().__init__(reason, remaining_s)
        self.reason = reason
        self.remaining_s = remaining_s


class Gate:
    """Grants permits as the fleet's breaker allows; safe for many threads.

    `worker` is the name votes are cast under (`host/slot`), `host` the API's host (the scope).
    `capacity` is the number of job threads, for the ramp after closing. `fingerprint` gives the
    digest of the token in use. `changed` is told each change of a scope's state, once;
    `tripped` each scope that this worker tripped. With limits in the `pacer` every request, probes
    included, waits for its turn too.
    """

    def __init__(
        self,
        *,
        store: breaker_store.Store,
        worker: str,
        host: str,
        policy: Mapping[outcome.Role, breaker.Policy],
        clock: Callable[[], float] = time.monotonic,
        capacity: int = 16,
        fingerprint: Callable[[], str] = lambda: "",
        changed: Callable[[holds.Change], None] = lambda _: None,
        tripped: Callable[[str], None] = lambda _: None,
        random: Callable[[], float] = random_module.random,
        pacer: pacers.Pacer | None = None,
    ) -> None:
        self.wakeups = 0
        self.pacer = pacer or pacers.Pacer()
        self._store = store
        self._standing = standing.Standing(
            worker=worker,
            host=host,
            policy=policy,
            clock=clock,
            capacity=capacity,
            fingerprint=fingerprint,
            changed=changed,
            tripped=tripped,
            random=random,
        )
        self._verdicts = verdicts.Verdicts(standing=self._standing, store=store)
        self.exams = exams.Exams(standing=self._standing, store=store, verdicts=self._verdicts)
        self._out: dict[int, Permit] = {}
        self._probes: dict[int, breaker_store.Probe] = {}
        self._numbers = 0

    def acquire(
        self, role: outcome.Role, *, cancelled: Callable[[], bool], give_up_s: float
    ) -> Permit:
        """A permit for one request of `role`, to be sent at once; waits while the gate is closed.

        Raises: Refused when it is `cancelled` (asked now and then, and on `wake`), when the gate is
        known to stay closed for longer than `give_up_s`, when that time is up, and at once in an
        auth stop that our token cannot end. A turn under the pacer's limits is waited for forever.
        """
        paced, deadline = self.pacer.paced(role), self._standing.clock() + give_up_s
        while True:
            with self._standing.lock:
                probe_scope = self._wait(role, cancelled, deadline)
                if probe_scope is None and not paced:
                    return self._grant(role, probe=None)
            begun = self._standing.clock()
            use_by = turn.wait(self.pacer, self._standing, role, probe_scope, cancelled)
            if use_by is None:
                continue
            deadline += self._standing.clock() - begun
            if probe_scope is None:
                permit = self._grant_if_open(role, use_by)
            else:
                permit = self._try_probe(role, probe_scope)
            if permit is not None:
                return permit
            self.pacer.leave(role)

    def _grant_if_open(self, role: outcome.Role, use_by: float) -> Permit | None:
        """A permit, unless the gate closed while the turn was waited for, or it is over again."""
        with self._standing.lock:
            now = self._standing.clock()
            lost = now > use_by or self._standing.hold(role, now) is not None
            return None if lost else self._grant(role, probe=None)

    def _wait(
        self, role: outcome.Role, cancelled: Callable[[], bool], deadline: float
    ) -> str | None:
        """None when a request may go; a scope that this thread is to ask the probe of."""
        state = self._standing
        state.freshen()
        while True:
            now = state.clock()
            if cancelled():
                raise Refused("cancelled", 0.0)
            hold = state.hold(role, now)
            if hold is None:
                return None
            resume = hold.until
            if hold.probe is not None:
                resume = max(resume, state.next_try.get(hold.probe, -math.inf))
                if resume <= now and hold.probe not in state.probing:
                    state.probing.add(hold.probe)
                    return hold.probe
            elif hold.reason == "auth_stop":
                raise Refused("auth_stop", math.inf)
            # Blindness, the ramp, a trial of our own, a token's test may end before their time.
            vague = hold.reason == "blind" or hold.scope == state.worker or hold.exam_at is not None
            if now >= deadline or (not vague and resume > deadline):
                raise Refused(hold.reason, max(0.0, resume - now))
            # While another thread asks for the probe there is only its answer to wait for.
            until = min(deadline, now + _RECHECK_S, resume if resume > now else math.inf)
            state.lock.wait(max(0.001, until - now))
            self.wakeups += 1

    def _grant(
        self, role: outcome.Role, *, probe: breaker_store.Probe | None, spent_s: float = 0.0
    ) -> Permit:
        state = self._standing
        scope = breaker.scope(state.host, role)
        trial = probe is None and state.alone[role].open
        if trial:
            state.alone[role].begin_trial()
        self._numbers += 1
        permit = Permit(
            number=self._numbers,
            role=role,
            scope=scope if probe is None else probe.row["scope"],
            epoch=state.rows.row(scope).epoch if probe is None else probe.row["epoch"],
            host_epoch=state.rows.row(state.host).epoch,
            begun=state.clock(),
            fingerprint=state.fingerprint(),
            probe=probe is not None,
            trial=trial,
            deadline_s=state.policy[role].probe_deadline_s - spent_s if probe or trial else None,
        )
        self._out[permit.number] = permit
        state.in_flight[role] += 1
        if probe is not None:
            self._probes[permit.number] = probe
        return permit

    def _try_probe(self, role: outcome.Role, scope: str) -> Permit | None:
        state, asked, permit = self._standing, self._standing.clock(), None
        row: breaker_store.Row | None = None
        probe: breaker_store.Probe | None = None
        try:
            row, probe = self._store.try_probe(
                scope=scope, fingerprint=state.fingerprint(), policy=state.policy[role]
            )
        except breaker_store.Unreachable:
            state.lose()
        with state.lock:
            now, spread = state.clock(), 0.8 + 0.4 * state.random()
            state.next_try[scope] = now + standing.PROBE_EVERY_S * spread
            if row is not None:
                state.adopt(row)
            # The lease runs since about when it was asked for, and so does the deadline.
            if probe is not None and now - asked < state.policy[role].probe_deadline_s:
                permit = self._grant(role, probe=probe, spent_s=now - asked)
            state.probing.discard(scope)
            state.lock.notify_all()
        if probe is not None and permit is None:
            self._verdicts.decline(role, probe)
        state.flush()
        return permit

    def may_resend(self, permit: Permit, rested_s: float) -> bool:
        """May a request that a kept connection swallowed go once more? Not in an outage.

        A trial is one request.
        """
        free = rested_s >= _RESTED_S and not (permit.probe or permit.trial)
        return free and self._standing.unharmed(permit.role)

    def report(self, permit: Permit, attempt: outcome.Attempt, *, tip: str) -> Verdict:
        """Take the end of a permit's request; says whether the TIP may be charged for it.

        Exactly once per permit. Failures, pauses and auth stops reach the database before this
        returns; when they cannot, the gate goes blind and nothing is raised.
        """
        probe = self._take_back(permit)
        if permit.trial:
            self._end_trial(permit, breaker.classify(attempt.kind))
        try:
            if probe is not None:
                return self._verdicts.of_probe(permit, probe, attempt, tip=tip)
            return self._verdicts.of(permit, attempt, tip=tip)
        finally:
            self._standing.flush()
            self.pacer.ended(permit.role, attempt.kind)

    def abandon(self, permit: Permit) -> None:
        """Give back a permit whose request was never sent."""
        probe = self._take_back(permit)
        if permit.trial:
            self._end_trial(permit, breaker.Sample.NEUTRAL)
        if probe is not None:
            self._verdicts.give_back(permit, probe, "inconclusive", reason="abandoned", tip="")
        self._standing.flush()

    def _take_back(self, permit: Permit) -> breaker_store.Probe | None:
        with self._standing.lock:
            if self._out.pop(permit.number, None) is None:
                raise ValueError(f"permit {permit.number} was never granted or is back already")
            self._standing.in_flight[permit.role] -= 1
            self._standing.lock.notify_all()
            probe = self._probes.pop(permit.number, None)
        self.pacer.leave(permit.role)
        return probe

    def _end_trial(self, permit: Permit, sample: breaker.Sample) -> None:
        state = self._standing
        with state.lock:
            alone = state.alone[permit.role]
            if sample is breaker.Sample.SUCCESS:
                alone.succeeded()
            elif sample is breaker.Sample.FAILURE:
                policy = state.policy[permit.role]
                alone.confine(policy, now=state.clock(), random=state.random())
            else:
                alone.end_trial()

    def on_notify(self, payload: str) -> None:
        """Take over what a notification on `noggin_breaker` says."""
        self._standing.notified(payload)

    def on_beat(self, scopes: Iterable[Mapping[str, Any]], *, asked: float | None = None) -> None:
        """Take over a beat's `scopes`; confirms that the database was in reach when `asked`."""
        self._standing.beaten(list(scopes), asked=asked)
        self.pacer.refresh()

    def beat_with(self, beat: Callable[[], None]) -> None:
        """`beat` makes somebody beat soon: for requests that should wait for news."""
        self._standing.beat_now = beat

    def reconnected(self) -> None:
        """The listener was lost and is back: take the next beat's rows whatever their epoch."""
        self._standing.distrust()

    def votes(self) -> list[dict[str, Any]]:
        """What went well since the last call, for the next beat."""
        return self._verdicts.votes()

    def configure(self, policy: Mapping[outcome.Role, breaker.Policy], *, capacity: int) -> None:
        """Go by another policy, and number of job threads, from the next outcome on."""
        self._standing.configure(policy, capacity)

    def wake(self) -> None:
        """Make every waiting thread ask `cancelled` again, and the token's fingerprint."""
        self._standing.wake()
        self.pacer.wake()

    def open_for(self, role: outcome.Role) -> float:
        """Seconds that `role` is held, infinite when unknown; 0 = open, or a probe is due."""
        now, hold = self._standing.held(role)
        if hold is None or hold.scope == self._standing.worker:
            return 0.0
        return max(0.0, hold.until - now)

    def probe_due(self, role: outcome.Role) -> bool:
        """True when all but one trial request is held: lease one TIP, not a batch."""
        now, hold = self._standing.held(role)
        return hold is not None and hold.probe is not None and hold.until <= now

    def why(self, role: outcome.Role) -> holds.Reason | None:
        """Why requests of `role` are held now, None when they are not."""
        _, hold = self._standing.held(role)
        return hold.reason if hold else None
