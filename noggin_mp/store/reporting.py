"""What a report counts: one statement for each of its parts, all of one moment."""

import datetime
from typing import Any, Final

from psycopg import rows as row_factories

from noggin_mp.domain import report, stops
from noggin_mp.domain.periods import Period
from noggin_mp.store import reports, session, statements

GROUPS: Final = 10
IMPORTS: Final = 50
ACTS: Final = 20
"""How many groups of errors, files and acts of people a report lists at most."""


def numbers(
    connection: session.Connection,
    period: Period,
    *,
    now: datetime.datetime,
    disk: tuple[int, int] | None,
) -> report.Numbers:
    """Everything that a report of `period` says, counted.

    `now` bounds what has no end yet; `disk` is what the output folder's file system has free, and
    in all, in bytes.
    """
    span = {"start": period.start, "end": period.end}
    parts = span | {"edges": list(period.edges)}
    with reports.one_moment(connection):
        failures = _one(connection, "report_failures", span)
        return report.Numbers(
            settled=[report.Settled(**row) for row in _all(connection, "report_settled", parts)],
            files=[report.Files(**row) for row in _all(connection, "report_files", parts)],
            requests=[report.Requests(**row) for row in _all(connection, "report_requests", parts)],
            failures=failures["failures"],
            failed_tips=failures["failed_tips"],
            recovered_tips=failures["recovered_tips"],
            error_groups=_all(connection, "report_error_groups", span | {"limit": GROUPS}),
            stops=_stops(connection, period, now),
            new_unknown=_counts(connection, "report_new_unknown", span),
            imports=_all(connection, "report_imports", span | {"limit": IMPORTS}),
            acts=_all(connection, "report_acts", span | {"limit": ACTS}),
            now=_now(connection, disk),
        )


def _stops(
    connection: session.Connection, period: Period, now: datetime.datetime
) -> list[stops.Stop]:
    span = {"start": period.start, "end": period.end}
    found = connection.execute(statements.statement("report_events"), span).fetchall()
    events = [
        stops.Event(scope=scope, at=at, type=type_, state=state, seconds=seconds)
        for scope, at, type_, state, seconds in found
    ]
    return stops.stops(events, period.start, max(period.start, min(period.end, now)))


def _now(connection: session.Connection, disk: tuple[int, int] | None) -> report.Now:
    snapshot = reports.read(connection)
    progress = reports.progress(connection)
    stock = _one(connection, "report_stock", {})
    free, size = disk or (None, None)
    return report.Now(
        tips=snapshot.tips,
        queue=snapshot.queue,
        finished_last_hour=stock["finished"],
        paused=snapshot.paused,
        stopped_scopes=[
            f"{one['scope']} is {one['state']}"
            for one in snapshot.breakers
            if one["state"] != "closed"
        ],
        workers=sum(one["state"] not in ("lost", "stopped") for one in snapshot.workers),
        unknown_hashes=_counts(connection, "report_unknown", {}),
        rejected_rows=progress.rejected_rows,
        attachments=stock["files"],
        attachment_bytes=stock["size_bytes"],
        database_bytes=stock["database_bytes"],
        free_bytes=free,
        size_bytes=size,
    )


def _counts(
    connection: session.Connection, name: str, parameters: dict[str, Any]
) -> dict[str, int]:
    return dict(connection.execute(statements.statement(name), parameters).fetchall())


def _one(connection: session.Connection, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return _all(connection, name, parameters)[0]


def _all(
    connection: session.Connection, name: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(statements.statement(name), parameters).fetchall()
