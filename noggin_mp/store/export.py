"""Tables on their way out: chosen columns and rows as CSV or as one JSON object per line."""

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from psycopg import sql

from noggin_mp.store import session, statements

TABLES: Final = {
    "records": "noggin_data",
    "attachments": "attachments",
    "errors": "processing_errors",
}
"""What can be exported, and the table it lies in."""

LEFT_OUT: Final = {"records": frozenset({"payload"})}
"""Columns that are given only when they are asked for by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows of which table; None means any. `types` are names and codes in lower case."""

    what: str
    columns: Sequence[str]
    since: datetime.datetime | None = None
    types: Sequence[str] | None = None
    status: str | None = None


def columns(connection: session.Connection, what: str) -> list[str]:
    """The names of the table's columns, in their order."""
    found = connection.execute(statements.statement("export_columns"), {"table": TABLES[what]})
    return [name for (name,) in found.fetchall()]


def as_csv(connection: session.Connection, wanted: Wanted) -> Iterator[bytes]:
    """The header, then the rows, as Postgres writes CSV: RFC 4180, UTF-8, times in UTC."""
    copied = sql.SQL("COPY ({}) TO STDOUT WITH (FORMAT csv, HEADER true)").format(_query(wanted))
    with connection.cursor() as cursor, cursor.copy(copied, _parameters(wanted)) as copy:
        for block in copy:
            yield bytes(block)


def as_lines(connection: session.Connection, wanted: Wanted) -> Iterator[bytes]:
    """The rows, each as a JSON object in a line of its own, in UTF-8."""
    query = sql.SQL("SELECT row_to_json(r)::text FROM ({}) AS r").format(_query(wanted))
    with connection.cursor() as cursor:
        for (text,) in cursor.stream(query, _parameters(wanted)):
            yield text.encode("utf-8") + b"\n"


def _query(wanted: Wanted) -> sql.Composed:
    """The statement with its columns; their names are quoted, whatever they are."""
    text = statements.statement(f"export_{wanted.what}")
    names = sql.SQL(", ").join(map(sql.Identifier, wanted.columns))
    return sql.SQL(text).format(columns=names)


def _parameters(wanted: Wanted) -> dict[str, object]:
    return {
        "since": wanted.since,
        "types": None if wanted.types is None else list(wanted.types),
        "status": wanted.status,
    }
