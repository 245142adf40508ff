"""What one process knows of the breaker right now, behind one lock that its threads wait on."""

import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from noggin_mp.domain import breaker, holds, outcome, solitary

BLIND_AFTER_S: Final = 3.0
"""Without a confirmed beat for so long nothing new is started."""
FRESH_S: Final = 1.2
"""A request goes by what a beat of this age said at most, if a younger one can be had."""
_FRESHEN_S: Final = 0.2
PROBE_EVERY_S: Final = 1.0
"""A process asks for the right to probe about this often at most."""
_PROBE_JITTER_S: Final = 0.2
_RETRIAL_JITTER_S: Final = 0.05
_RESUME_JITTER_S: Final = 0.5


class Standing:
    """The rows, this process's own breaker, and whether what is known may still be trusted.

    `lock` guards everything; it is notified whenever a waiting thread should look again.
    """

    def __init__(
        self,
        *,
        worker: str,
        host: str,
        policy: Mapping[outcome.Role, breaker.Policy],
        clock: Callable[[], float],
        capacity: int,
        fingerprint: Callable[[], str],
        changed: Callable[[holds.Change], None],
        tripped: Callable[[str], None],
        random: Callable[[], float],
    ) -> None:
        self.lock = threading.Condition()
        self.worker = worker
        self.host = host
        self.policy = dict(policy)
        self.clock = clock
        self.fingerprint = fingerprint
        self.random = random
        self.rows = holds.Rows(host)
        self.alone = {role: solitary.Solitary() for role in outcome.Role}
        self.in_flight = dict.fromkeys(outcome.Role, 0)
        self.ok_begun = dict.fromkeys(outcome.Role, -math.inf)
        self.probing: set[str] = set()
        self.next_try: dict[str, float] = {}
        self.phase = dict.fromkeys(outcome.Role, 1.0)
        self.capacity = capacity
        self._changed = changed
        self._tripped = tripped
        self._changes: list[holds.Change] = []
        self._trips: list[str] = []
        self._latest: dict[str, int] = {}  # scope -> its latest trip that was looked at
        self._schema: str | None = None
        self.beat_now: Callable[[], None] | None = None
        self._heard: dict[str, float] = {}  # scope -> when its row was last taken over
        self._confirmed_at = -math.inf
        self._resume_at = -math.inf
        self._adopt_all = True
        self._seen = False

    def blind(self, now: float) -> bool:
        """True when no beat was confirmed lately: what is known here may be wrong."""
        return now - self._confirmed_at > BLIND_AFTER_S

    def wake(self) -> None:
        """Make every waiting thread look again."""
        with self.lock:
            self.lock.notify_all()

    def freshen(self) -> None:
        """Under the lock: ask for a beat if the last one is old, and wait a moment for it."""
        age_s = self.clock() - self._confirmed_at
        if self.beat_now is None or age_s <= FRESH_S:
            return
        self.beat_now()
        if age_s <= BLIND_AFTER_S:  # who is blind waits anyway
            self.lock.wait_for(lambda: self.clock() - self._confirmed_at <= FRESH_S, _FRESHEN_S)

    def confirm(self, asked: float | None = None) -> None:
        """A beat came back: what is known here is what the database said when it was `asked`."""
        with self.lock:
            now = self.clock()
            old = now - self._confirmed_at > FRESH_S
            if self.blind(now) and self._seen:
                self._resume_at = now + _RESUME_JITTER_S * self.random()
            self._seen = True
            self._confirmed_at = max(self._confirmed_at, now if asked is None else asked)
            if old:  # nobody waits for news that are no news
                self.lock.notify_all()

    def lose(self) -> None:
        """The database did not answer: trust nothing until a beat is confirmed."""
        with self.lock:
            self._confirmed_at = -math.inf
            self._adopt_all = True
            self.lock.notify_all()

    def distrust(self) -> None:
        """After a reconnection the rows of the next beat are taken over whatever their epoch."""
        with self.lock:
            self._adopt_all = True

    def beaten(self, scopes: Iterable[Mapping[str, Any]], *, asked: float | None = None) -> None:
        """Take over the rows that a beat brought, and trust them from when it was `asked`.

        Rows are taken whatever their epoch where that is due, but for those heard of meanwhile:
        the answer may be older than they are.
        """
        with self.lock:
            now = self.clock()
            whatever = self._adopt_all or self.blind(now)
            heard = {scope for scope, at in self._heard.items() if asked is not None and at > asked}
            for raw in scopes:
                self._schema = raw.get("schema", self._schema)
                self.adopt(raw, whatever=whatever and raw["scope"] not in heard)
            if whatever:
                self.rows.forget_others({str(raw["scope"]) for raw in scopes} | heard)
                self.lock.notify_all()
            self._adopt_all = False
            self.confirm(asked)
        self.flush()

    def notified(self, payload: str) -> None:
        """Take over the row a notification brought; one that cannot be read is only a lost hint."""
        try:
            raw = json.loads(payload)
            with self.lock:
                # Another schema of the same database is another fleet, on the same channel.
                if self._schema is None or raw.get("schema", self._schema) == self._schema:
                    self.adopt(raw)
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        self.flush()

    def adopt(self, raw: Mapping[str, Any], *, whatever: bool = False) -> None:
        """Take one row over, and wake whoever waits."""
        with self.lock:
            now = self.clock()
            row = holds.parse(raw, now)
            before = self.rows.row(row.scope)
            change = self.rows.adopt(row, now, whatever=whatever)
            after = self.rows.row(row.scope)
            if after.epoch != before.epoch:
                self._heard[row.scope] = now
                self._turned(after, now)
                self.lock.notify_all()
            self._note_trip(after)
            self._note(change)

    def _note_trip(self, row: holds.Row) -> None:
        """A trip is told once, by the worker that the row names, however it hears of it."""
        if row.tripped_at > self._latest.get(row.scope, 0):
            self._latest[row.scope] = row.tripped_at
            # What the first beat brings was a predecessor's.
            if row.tripped_by == self.worker and self._seen:
                self._trips.append(row.scope)

    def pause(self, seconds: float, reason: str) -> float:
        """Pause this process at once, and until `paused` is told the end that is returned here."""
        with self.lock:
            now = self.clock()
            self._note(self.rows.pause(now + seconds, now, reason))
            return now + seconds

    def paused(self, until: float, raw: Mapping[str, Any]) -> None:
        """The database knows of a pause of ours: its row holds from now on."""
        with self.lock:
            self.rows.told(until)
            self.adopt(raw)

    def refuse(self, fingerprint: str, reason: str) -> None:
        """Stop this process for a refused token of which the database cannot be told."""
        with self.lock:
            self._note(self.rows.refuse(fingerprint, self.clock(), reason))

    def _note(self, change: holds.Change | None) -> None:
        if change is not None:
            self._changes.append(change)
            self.lock.notify_all()

    def _turned(self, row: holds.Row, now: float) -> None:
        """A new epoch: when to ask for its probe, and with which phase to ramp after it."""
        if row.state is breaker.State.OPEN:
            # A little late on purpose: asked before the database's deadline, it is asked in vain.
            self.next_try[row.scope] = row.until + 0.01 + _PROBE_JITTER_S * self.random()
        elif row.state is breaker.State.HALF_OPEN and row.probe_owner is None:
            self.next_try[row.scope] = now + _RETRIAL_JITTER_S * self.random()
        for role in outcome.Role:
            mine = row.scope == breaker.scope(self.host, role)
            if mine and row.state is not breaker.State.CLOSED:
                # The fleet's breaker takes over; who probed last leads the ramp.
                self.alone[role].succeeded()
                led = row.probe_owner == self.worker
                self.phase[role] = 1.0 if led else 0.9 * self.random()

    def hold(self, role: outcome.Role, now: float) -> holds.Hold | None:
        """What keeps a request of `role` back; None lets it go now."""
        if self.blind(now):
            return holds.Hold(reason="blind", until=math.inf)
        if now < self._resume_at:
            return holds.Hold(reason="blind", until=self._resume_at)
        hold = self.rows.hold(role, now, self.fingerprint())
        if hold is not None:
            return hold
        alone_until = self.alone[role].held_until(now)
        if alone_until is not None:
            return holds.Hold(reason="closed", until=alone_until, scope=self.worker)
        return self._ramp(role, now)

    def held(self, role: outcome.Role) -> tuple[float, holds.Hold | None]:
        """The time on the local clock, and what keeps a request of `role` back then."""
        with self.lock:
            now = self.clock()
            return now, self.hold(role, now)

    def unharmed(self, role: outcome.Role) -> bool:
        """True when nothing has failed here since the last success and `role` may send."""
        with self.lock:
            well = not any(alone.streak for alone in self.alone.values())
            return well and self.hold(role, self.clock()) is None

    def _ramp(self, role: outcome.Role, now: float) -> holds.Hold | None:
        policy, start = self.policy[role], self.rows.ramp_from(role, now)
        if now - start >= policy.recovery_ramp_s:
            return None
        out, phase = self.in_flight[role], self.phase[role]
        if out < breaker.ramp_permits(policy, self.capacity, now - start, phase):
            return None
        until = start + breaker.ramp_next_s(policy, self.capacity, out, phase)
        return holds.Hold(reason="closed", until=until, scope=self.worker)

    def configure(self, policy: Mapping[outcome.Role, breaker.Policy], capacity: int) -> None:
        """Go by another policy, and number of job threads, from now on."""
        with self.lock:
            self.policy, self.capacity = dict(policy), capacity
            self.lock.notify_all()

    def flush(self) -> None:
        """Tell the changes seen since the last time; never called under the lock."""
        with self.lock:
            changes, self._changes = self._changes, []
            trips, self._trips = self._trips, []
        for scope in trips:
            self._tripped(scope)
        for change in changes:
            self._changed(change)
