"""Dead letters: TIPs that are not tried any more, and input rows that were rejected."""

import datetime
from collections.abc import Sequence
from typing import Any

from psycopg import rows as row_factories

from noggin_mp.store import session, statements
from noggin_mp.store.tips import Match


def known(connection: session.Connection, tips: Sequence[str]) -> list[Match]:
    """Those of `tips` that are dead letters, as they stand."""
    found = connection.execute(statements.statement("dead_known"), {"tips": list(tips)})
    return [Match(tip=tip, gen=gen) for tip, gen in found.fetchall()]


def rows(
    connection: session.Connection,
    *,
    ids: Sequence[int] | None = None,
    error: str | None = None,
    since: datetime.datetime | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Rejected input rows that nobody has dealt with, the latest first."""
    wanted = {
        "ids": None if ids is None else list(ids),
        "error": error,
        "since": since,
        "limit": limit,
    }
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(statements.statement("dead_rows"), wanted).fetchall()


def discard_rows(connection: session.Connection, ids: Sequence[int]) -> int:
    """How many rejected rows are marked as dealt with now."""
    return connection.execute(
        statements.statement("dead_discard_rows"), {"ids": list(ids)}
    ).rowcount
