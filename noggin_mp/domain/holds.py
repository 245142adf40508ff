"""What one process knows of the breaker's rows, and what that allows now, on its own clock."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from noggin_mp.domain import breaker, outcome

FLEET = "*"
"""The scope that stands for the whole fleet's pause."""

Reason = Literal["closed", "paused", "auth_stop", "blind", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scope as last heard of; `until`, `paused_until` and `ramp_from` on the local clock."""

    scope: str
    state: breaker.State = breaker.State.CLOSED
    epoch: int = 0
    until: float = -math.inf
    paused_until: float = -math.inf
    ramp_from: float = -math.inf
    fingerprint: str | None = None  # of each token that was refused, in one string
    probe_owner: str | None = None
    tripped_by: str | None = None
    tripped_at: int = 0  # of the latest trip; grows with each, 0 = none yet
    reason: str = ""

    def at(self, now: float) -> breaker.State:
        """The state that holds at `now`: a pause or a forced opening that is over is closed."""
        over = self.state is breaker.State.FORCED_OPEN and self.until <= now
        if over or self.state is breaker.State.PAUSED:
            return breaker.State.PAUSED if self.paused_until > now else breaker.State.CLOSED
        return self.state


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why nothing may be sent, until when, and which scope may be probed from then on.

    With `exam_at`, the token in use may be tried by one test request from then on.
    """

    reason: Reason
    until: float
    probe: str | None = None
    scope: str = ""
    exam_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A scope was seen to change its state."""

    scope: str
    old: breaker.State
    new: breaker.State
    reason: str
    remaining_s: float


def parse(raw: Mapping[str, Any], now: float) -> Row:
    """The row in a beat's or a notification's JSON, its remaining seconds counted from `now`."""
    state, closed_s = breaker.State(raw["state"]), raw.get("closed_s")
    until = now + _seconds(raw["remaining_s"])
    return Row(
        scope=raw["scope"],
        state=state,
        epoch=raw["epoch"],
        until=until,
        paused_until=now + _seconds(raw["paused_s"]),
        ramp_from=_ramp_from(state, until, closed_s, now),
        fingerprint=raw.get("fingerprint"),
        probe_owner=raw.get("probe_owner"),
        tripped_by=raw.get("tripped_by"),
        tripped_at=raw.get("tripped_at") or 0,
        reason=raw.get("reason") or "",
    )


def _seconds(value: float | None) -> float:
    """None means that no end is known."""
    return math.inf if value is None else value


def _ramp_from(state: breaker.State, until: float, closed_s: float | None, now: float) -> float:
    if state is breaker.State.FORCED_OPEN:
        return until
    return -math.inf if closed_s is None else now - closed_s


class Rows:
    """The rows of one host and the fleet's, newest epoch wins."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._rows: dict[str, Row] = {}
        self._untold: list[float] = []  # ends of pauses that the database does not know of yet

    def row(self, scope: str) -> Row:
        """The row of `scope`; one never heard of is closed."""
        return self._rows.get(scope) or Row(scope=scope)

    def adopt(self, row: Row, now: float, *, whatever: bool = False) -> Change | None:
        """Take `row` over, unless a newer epoch is known; `whatever` takes it all the same.

        The same epoch is taken too: it refreshes the remaining times.
        """
        if not self._concerns(row.scope):
            return None
        old = self.row(row.scope)
        if row.epoch < old.epoch and not whatever:
            return None
        return self._replace(old, row, now)

    def _replace(self, old: Row, row: Row, now: float) -> Change | None:
        if row.scope == self._host:
            row = self._paused(row, now)
        self._rows[row.scope] = row
        was, is_ = old.at(now), row.at(now)
        if was is is_:
            return None
        ends = row.paused_until if is_ is breaker.State.PAUSED else row.until
        return Change(
            scope=row.scope, old=was, new=is_, reason=row.reason, remaining_s=max(0.0, ends - now)
        )

    def forget_others(self, scopes: Iterable[str]) -> None:
        """Forget every row that is not in `scopes`: the database has none of them any more."""
        known = set(scopes)
        self._rows = {scope: row for scope, row in self._rows.items() if scope in known}

    def pause(self, until: float, now: float, reason: str) -> Change | None:
        """Pause the host in this process until then, whatever row comes in before `told`."""
        self._untold.append(until)
        old = self.row(self._host)
        return self._replace(old, replace(old, reason=reason), now)

    def told(self, until: float) -> None:
        """The database has this pause now: its row says how long it is."""
        if until in self._untold:  # it may be over
            self._untold.remove(until)

    def _paused(self, row: Row, now: float) -> Row:
        self._untold = [until for until in self._untold if until > now]
        until = max(self._untold, default=-math.inf)
        if until <= row.paused_until:
            return row
        state = breaker.State.PAUSED if row.at(now) is breaker.State.CLOSED else row.state
        return replace(row, state=state, paused_until=until)

    def refuse(self, fingerprint: str, now: float, reason: str) -> Change | None:
        """Stop the host in this process for a refused token, when the database cannot be told."""
        old, state = self.row(self._host), breaker.State.AUTH_STOP
        row = replace(old, state=state, until=math.inf, fingerprint=fingerprint, reason=reason)
        return self._replace(old, row, now)

    def hold(self, role: outcome.Role, now: float, fingerprint: str) -> Hold | None:
        """What keeps a request of `role` back at `now`; None lets it go."""
        fleet, host = self.row(FLEET), self._paused(self.row(self._host), now)
        if fleet.at(now) is breaker.State.PAUSED:
            return Hold(reason="paused", until=fleet.paused_until, scope=FLEET)
        mine = _role_hold(self.row(breaker.scope(self._host, role)), now)
        theirs = _host_hold(host, now, fingerprint)
        if theirs is None or (theirs.exam_at is not None and mine and mine.until > now):
            return mine
        return theirs

    def ramp_from(self, role: outcome.Role, now: float) -> float:
        """When the scope was last closed to everybody and then let go again."""
        rows = (self.row(self._host), self.row(breaker.scope(self._host, role)))
        return max((row.ramp_from for row in rows if row.ramp_from <= now), default=-math.inf)

    def _concerns(self, scope: str) -> bool:
        return scope in (
            FLEET,
            self._host,
            *(breaker.scope(self._host, role) for role in outcome.Role),
        )


def _host_hold(row: Row, now: float, fingerprint: str) -> Hold | None:
    state = row.at(now)
    if row.paused_until > now:
        return Hold(reason="paused", until=row.paused_until, scope=row.scope)
    if state is breaker.State.FORCED_OPEN:
        return Hold(reason="closed", until=row.until, scope=row.scope)
    if state in (breaker.State.AUTH_STOP, breaker.State.HALF_OPEN):
        if not fingerprint or fingerprint in (row.fingerprint or "").split():
            return Hold(reason="auth_stop", until=math.inf, scope=row.scope)
        due = now if math.isinf(row.until) else row.until
        return Hold(reason="closed", until=math.inf, scope=row.scope, exam_at=due)
    return None


def _role_hold(row: Row, now: float) -> Hold | None:
    state = row.at(now)
    if state in (breaker.State.OPEN, breaker.State.HALF_OPEN):
        return Hold(reason="closed", until=row.until, probe=row.scope, scope=row.scope)
    if state is breaker.State.FORCED_OPEN:
        return Hold(reason="closed", until=row.until, scope=row.scope)
    return None
