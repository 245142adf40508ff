"""Names of hashes: looked up, found missing, loaded from files, counted."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg import rows as row_factories

from noggin_mp.domain import lookup_rows
from noggin_mp.store import session, statements


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What staged names came to; `resolved` counts unknown hashes that have a name now."""

    distinct: int
    added: int
    renamed: int
    resolved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of entity: names known, hashes seen in records without a name, and how often."""

    entity_type: str
    known: int
    unknown: int
    resolved: int
    occurrences: int


def stats(connection: session.Connection) -> list[Kind]:
    """Known and unknown hashes of each kind, in the order of its name."""
    with connection.cursor(row_factory=row_factories.class_row(Kind)) as cursor:
        return cursor.execute(statements.statement("lookups_stats")).fetchall()


def open_staging(connection: session.Connection) -> None:
    """The staging table, empty, until the current transaction ends."""
    connection.execute(statements.statement("lookups_staging"))


@contextlib.contextmanager
def staging(
    connection: session.Connection,
) -> Iterator[Callable[[int, lookup_rows.Lookup], None]]:
    """Within it, calls with (line, lookup) go to the staging table by COPY."""
    with connection.cursor() as cursor, cursor.copy(statements.statement("lookups_copy")) as copy:
        write = copy.write_row
        yield lambda line, lookup: write((line, *lookup))


def merge(connection: session.Connection, *, source: str) -> Merged:
    """Put the staged names into entity_hashes and resolve the unknown hashes they name."""
    found = connection.execute(statements.statement("lookups_merge"), {"source": source}).fetchone()
    assert found is not None
    resolved = connection.execute(statements.statement("lookups_resolve")).rowcount
    return Merged(distinct=found[0], added=found[1], renamed=found[2], resolved=resolved)


def compare(connection: session.Connection) -> Merged:
    """What `merge` would do, found without writing anything."""
    found = connection.execute(statements.statement("lookups_compare")).fetchone()
    resolved = connection.execute(statements.statement("lookups_would_resolve")).fetchone()
    assert found is not None
    assert resolved is not None
    return Merged(distinct=found[0], added=found[1], renamed=found[2], resolved=resolved[0])
