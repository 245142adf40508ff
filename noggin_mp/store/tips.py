"""TIPs as an operator handles them: found, shown in full, asked for again, skipped."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import rows as row_factories

from noggin_mp.domain.tip import Status
from noggin_mp.store import session, statements

IN_QUEUE: Final = ("ready", "later", "leased")
DEAD: Final = "dead"
STATES: Final = (*(str(status) for status in Status), *IN_QUEUE, DEAD)
"""What `Filter.state` may be: the statuses, the parts of the queue, and dead letters."""

_BATCH: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which TIPs are meant; None means any. `types` are names and codes in lower case."""

    state: str | None = None
    error: str | None = None
    types: Sequence[str] | None = None
    since: datetime.datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A TIP as it was found; with a `gen`, a change is made only while the row still has it."""

    tip: str
    gen: int | None = None


def match(
    connection: session.Connection, wanted: Filter, *, limit: int | None = None
) -> list[Match]:
    """The TIPs that fit: in the order of the queue for its parts, else the last changed first."""
    queued = wanted.state in IN_QUEUE
    dead = wanted.state == DEAD
    found = connection.execute(
        statements.statement("tips_match_queue" if queued else "tips_match"),
        {
            "state": wanted.state,
            "status": None if dead else wanted.state,
            "dead": dead,
            "error": wanted.error,
            "types": None if wanted.types is None else list(wanted.types),
            "since": wanted.since,
            "limit": limit,
        },
    ).fetchall()
    return [Match(tip=row[0], gen=row[1]) for row in found]


def rows(connection: session.Connection, tips: Sequence[str]) -> list[dict[str, Any]]:
    """A line about each of `tips` that exists, in their order."""
    return _all(connection, "tips_rows", {"tips": list(tips)})


def known(connection: session.Connection, tips: Sequence[str]) -> set[str]:
    """Those of `tips` that exist."""
    found = connection.execute(statements.statement("tips_known"), {"tips": list(tips)})
    return {row[0] for row in found}


def record(connection: session.Connection, tip: str, *, payload: bool) -> dict[str, Any] | None:
    """The row of `tip`, columns without a value left out; None when there is no such TIP."""
    found = connection.execute(
        statements.statement("tips_record"), {"tip": tip, "payload": payload}
    ).fetchone()
    return None if found is None else found[0]


def entries(connection: session.Connection, tip: str) -> list[dict[str, Any]]:
    """The live queue entries of `tip`: one while it waits or is worked on, else none."""
    return _all(connection, "tips_entries", {"tip": tip})


def attachments(connection: session.Connection, tip: str) -> list[dict[str, Any]]:
    """The files of the record, in order."""
    return _all(connection, "tips_attachments", {"tip": tip})


def failures(connection: session.Connection, tip: str, *, limit: int) -> list[dict[str, Any]]:
    """The last failures of `tip`, the newest first."""
    return _all(connection, "tips_errors", {"tip": tip, "limit": limit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A folder relative to the output root, the host that worked in it last, and its root."""

    path: str
    host: str | None
    output: str | None


def folders(connection: session.Connection, tip: str) -> list[Folder]:
    """The folders that `tip` has claimed."""
    found = connection.execute(statements.statement("tips_folders"), {"tip": tip})
    return [Folder(path=row[0], host=row[1], output=row[2]) for row in found]


def retry(connection: session.Connection, matches: Sequence[Match]) -> int:
    """How many of these TIPs are pending now; call it in a transaction."""
    return _change(connection, "tips_retry", matches)


def skip(connection: session.Connection, matches: Sequence[Match]) -> int:
    """How many of these TIPs were taken out of the queue; finished ones stay. In a transaction."""
    return _change(connection, "tips_skip", matches)


def _change(connection: session.Connection, name: str, matches: Sequence[Match]) -> int:
    """Rows changed, in TIP order throughout, so that two such commands cannot deadlock."""
    ordered = sorted(matches, key=lambda one: one.tip)
    changed = 0
    for start in range(0, len(ordered), _BATCH):
        batch = ordered[start : start + _BATCH]
        changed += connection.execute(
            statements.statement(name),
            {"tips": [one.tip for one in batch], "gens": [one.gen for one in batch]},
        ).rowcount
    return changed


def _all(
    connection: session.Connection, name: str, parameters: dict[str, Any]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(statements.statement(name), parameters).fetchall()
