"""The breaker's history: its events, what `breaker advise` weighs, and how long it is kept."""

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import rows

from noggin_mp.domain import advisor
from noggin_mp.domain.outcome import Role
from noggin_mp.store import session, statements

KEPT_DAYS: Final = 90
"""Older events and minutes are pruned."""
PRUNE_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many rows went."""

    events: int
    minutes: int


@dataclass(slots=True, kw_only=True)
class Past:
    """What is known of one host: counts, pauses, and the events of its roles."""

    ok: int = 0
    failed: int = 0
    throttled: int = 0
    paused: int = 0
    minutes: int = 0
    waits_s: list[float] = field(default_factory=list)
    requests: dict[Role, int] = field(default_factory=dict)
    events: dict[Role, list[advisor.Event]] = field(default_factory=lambda: defaultdict(list))

    @property
    def total(self) -> int:
        """All requests that say something about the API's health."""
        return self.ok + self.failed + self.throttled + self.paused


def events(
    connection: session.Connection,
    *,
    limit: int,
    scope: str | None = None,
    since: datetime.datetime | None = None,
    types: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The latest events, newest first; a host as `scope` includes its roles; no type means all."""
    return _all(
        connection,
        "breaker_events",
        {"limit": limit, "scope": scope, "since": since, "types": list(types) or None},
    )


def past(connection: session.Connection, *, window_s: float) -> dict[str, Past]:
    """By host, what the last `window_s` seconds hold; a host that nothing is known of is absent."""
    found: dict[str, Past] = defaultdict(Past)
    for row in _all(connection, "advise_minutes", {"window_s": window_s}):
        host, role = found[row["host"]], _role(row["host"], row["scope"])
        if row["scope"] is None:
            for name in ("ok", "failed", "throttled", "paused", "minutes"):
                setattr(host, name, row[name])
        elif role is not None:
            host.requests[role] = row["ok"] + row["failed"]
    for row in _all(connection, "advise_events", {"window_s": window_s}):
        host, role = found[row["host"]], _role(row["host"], row["scope"])
        if role is not None:
            host.events[role].append(
                advisor.Event(
                    type=row["event_type"],
                    at_s=row["at_s"],
                    result=row["result"],
                    decision=row["decision"],
                )
            )
        elif row["event_type"] == "pause" and row["seconds"] is not None:
            host.waits_s.append(row["seconds"])
    return dict(found)


def failures(connection: session.Connection, *, window_s: float) -> dict[Role, dict[str, int]]:
    """By role, the failures written down in the last `window_s` seconds, counted by reason."""
    found: dict[Role, dict[str, int]] = {role: {} for role in Role}
    for row in _all(connection, "advise_errors", {"window_s": window_s}):
        found[Role(row["role"])][row["reason"]] = row["failures"]
    return found


def prune(connection: session.Connection, *, days: int = KEPT_DAYS) -> Pruned:
    """Drop a batch of what is older than so many days."""
    row = connection.execute(
        statements.statement("breaker_prune"), {"days": days, "limit": PRUNE_LIMIT}
    ).fetchone()
    assert row is not None
    return Pruned(events=row[0], minutes=row[1])


def _role(host: str, scope: str | None) -> Role | None:
    name = (scope or host).removeprefix(host).removeprefix(":")
    return Role(name) if name else None


def _all(
    connection: session.Connection, name: str, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=rows.dict_row) as cursor:
        cursor.execute(statements.statement(name), parameters)
        return cursor.fetchall()
