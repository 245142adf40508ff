"""What goes on, as numbers: the snapshot of `status`, the facts of `health`, failures by group."""

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from psycopg import rows as row_factories

from noggin_mp.domain.tip import Status
from noggin_mp.store import session, statements

LOST_AFTER_S: Final = 10.0
"""A worker that has not beaten for so long is shown as lost."""

GROUPS: Final = ("type", "message", "tip", "worker", "day", "object")
"""What failures can be grouped by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The database's side of `status`, all of one moment."""

    tips: dict[str, int]  # every status, and permanently_failed
    queue: dict[str, int]  # ready, later, leased: live entries
    breakers: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    paused: bool
    pause_reason: str | None
    policies: dict[str, Any]  # what each host alive tells of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How long ago a TIP was last finished (None: never), and rejected input rows still open."""

    finished_age_s: float | None
    rejected_rows: int


def snapshot(connection: session.Connection) -> Snapshot:
    """TIPs, queue, breakers, workers and pause as of one moment."""
    with one_moment(connection):
        return read(connection)


def read(connection: session.Connection) -> Snapshot:
    """The same within a transaction that the caller has begun."""
    control = _all(connection, "fleet_control")
    return Snapshot(
        tips=_tips(connection),
        queue=_queue(connection),
        breakers=[
            {name: row[name] for name in ("scope", "state", "until", "reason", "quarantined")}
            for row in _all(connection, "breaker_show")
        ],
        workers=[_worker(row) for row in _all(connection, "fleet_workers")],
        paused=bool(control and control[0]["paused"]),
        pause_reason=control[0]["reason"] if control and control[0]["paused"] else None,
        policies=policies(connection),
    )


def policies(connection: session.Connection) -> dict[str, Any]:
    """What the hosts that are alive tell of their policies; older ones tell nothing."""
    return dict(connection.execute(statements.statement("fleet_policies")).fetchall())


def progress(connection: session.Connection) -> Progress:
    """When work was last finished, and what input was rejected."""
    found = connection.execute(statements.statement("report_progress")).fetchone()
    assert found is not None
    return Progress(finished_age_s=found[0], rejected_rows=found[1])


def failures(
    connection: session.Connection, *, by: str, since: datetime.datetime | None, limit: int
) -> list[dict[str, Any]]:
    """Failures grouped by one of GROUPS, the most frequent first."""
    return _all(connection, "report_errors", {"by": by, "since": since, "limit": limit})


def requests_last_minute(connection: session.Connection) -> list[dict[str, Any]]:
    """Requests of the last full minute by role: how many, and how many were not ok."""
    return _all(connection, "top_requests")


def _tips(connection: session.Connection) -> dict[str, int]:
    counts = dict.fromkeys((str(status) for status in Status), 0)
    dead = 0
    for status, number, failed in connection.execute(statements.statement("report_tips")):
        counts[status] = number
        dead += failed
    return counts | {"permanently_failed": dead}


def _queue(connection: session.Connection) -> dict[str, int]:
    found = connection.execute(statements.statement("report_queue")).fetchone()
    assert found is not None
    return dict(zip(("ready", "later", "leased"), found, strict=True))


def _worker(row: dict[str, Any]) -> dict[str, Any]:
    """A worker as status shows it: one that is silent, but did not sign off, is lost."""
    silent = row["silent_s"] > LOST_AFTER_S and row["state"] != "stopped"
    return {
        "slot": row["slot"],
        "pid": row["pid"],
        "state": "lost" if silent else row["state"],
        "tip": row["tip"],
        "host": row["host"],
        "busy": row["busy"],
        "heartbeat_age_s": round(row["silent_s"], 1),
    }


@contextmanager
def one_moment(connection: session.Connection) -> Iterator[None]:
    """A transaction that sees one moment of the database and writes nothing."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _all(
    connection: session.Connection, name: str, parameters: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(statements.statement(name), parameters).fetchall()
