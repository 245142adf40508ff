"""Files loaded into the database: their rows staged, merged in file order, counted, remembered."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import rows as row_factories

from noggin_mp.domain import rows
from noggin_mp.store import session, statements

TIPS: Final = "tips"
"""The kind of a source that holds TIPs; lookups have `lookups:<entity>`."""

_STAGED_TYPES: Final = ("int8", "text", "text", "text", "date", "text", "text", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A file about to be loaded."""

    filename: str
    sha256: str
    kind: str
    size_bytes: int
    loaded_by: str
    object_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """A source whose load has begun in the current transaction."""

    source_id: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A finished load of the same content."""

    source_id: int
    version: int
    filename: str
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a load came to: `read` is the sum of imported, known, duplicates and rejected."""

    read: int
    imported: int
    known: int
    duplicates: int
    rejected: int
    last_row: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An input row that was not taken; `line` is where it starts in its file, from 1."""

    line: int
    reason: str
    raw: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What merging the staged rows did. `typed` rows were there without a type."""

    distinct: int
    imported: int
    typed: int


def same_content(connection: session.Connection, *, sha256: str, kind: str) -> Earlier | None:
    """The last finished load of exactly this content, whatever the file was called."""
    found = connection.execute(
        statements.statement("import_same"), {"sha256": sha256, "kind": kind}
    ).fetchone()
    if found is None:
        return None
    return Earlier(source_id=found[0], version=found[1], filename=found[2], rejected=found[3])


def begin(connection: session.Connection, description: Description) -> Loading:
    """A new source in the current transaction, with its version among files of that name."""
    found = connection.execute(
        statements.statement("import_begin"),
        {
            "filename": description.filename,
            "sha256": description.sha256,
            "kind": description.kind,
            "object_code": description.object_code,
            "size_bytes": description.size_bytes,
            "loaded_by": description.loaded_by,
        },
    ).fetchone()
    assert found is not None
    return Loading(source_id=found[0], version=found[1])


def finish(connection: session.Connection, *, source_id: int, counts: Counts) -> None:
    """Mark the source loaded, with its counts."""
    connection.execute(
        statements.statement("import_finish"),
        {
            "source_id": source_id,
            "read": counts.read,
            "imported": counts.imported,
            "known": counts.known,
            "duplicates": counts.duplicates,
            "rejected": counts.rejected,
            "last_row": counts.last_row,
        },
    )


def forget(connection: session.Connection, *, source_id: int) -> None:
    """Take back a source begun in this transaction, rejected rows and all."""
    connection.execute("DELETE FROM sources WHERE source_id = %s", (source_id,))


def no_deadline(connection: session.Connection) -> None:
    """Let the statements of the current transaction take as long as they need."""
    connection.execute("SET LOCAL statement_timeout = 0")


def lock(connection: session.Connection, *, wait: bool) -> bool:
    """True when the current transaction holds the import lock: one import writes TIPs at a time.

    With `wait` it always comes to that; without, False means that another import is at work.
    """
    found = connection.execute(
        statements.statement("import_lock" if wait else "import_try_lock")
    ).fetchone()
    assert found is not None
    return found[0] is not False


def open_staging(connection: session.Connection) -> None:
    """The staging table, empty, until the current transaction ends."""
    connection.execute(statements.statement("import_staging"))


@contextlib.contextmanager
def staging(connection: session.Connection) -> Iterator[Callable[[int, rows.Row], None]]:
    """Within it, calls with (line, row) go to the staging table by COPY."""
    with connection.cursor() as cursor, cursor.copy(statements.statement("import_copy")) as copy:
        copy.set_types(_STAGED_TYPES)
        write = copy.write_row
        yield lambda line, row: write((line, *row))


def reject(connection: session.Connection, *, source_id: int, rejected: Sequence[Rejected]) -> None:
    """Keep rejected rows in failed_records."""
    if not rejected:
        return
    with connection.cursor() as cursor, cursor.copy(statements.statement("import_reject")) as copy:
        for one in rejected:
            copy.write_row((source_id, one.line, one.reason, one.raw))


def merge(connection: session.Connection, *, source_id: int, names: Mapping[str, str]) -> Merged:
    """Put the staged rows into noggin_data and so into the queue; `names` maps code to full name.

    The caller holds the import lock.
    """
    types = {"source_id": source_id, "codes": list(names), "names": list(names.values())}
    distinct = _number(connection, "import_distinct")
    imported = connection.execute(statements.statement("import_insert"), types).rowcount
    typed = 0
    if imported < distinct:
        connection.execute("ANALYZE import_staged")
        typed = connection.execute(statements.statement("import_fill_types"), types).rowcount
    return Merged(distinct=distinct, imported=imported, typed=typed)


def compare(connection: session.Connection) -> Merged:
    """What `merge` would do, found without writing anything."""
    distinct = _number(connection, "import_distinct")
    found = connection.execute(statements.statement("import_known")).fetchone()
    assert found is not None
    return Merged(distinct=distinct, imported=distinct - found[0], typed=found[1])


def listed(connection: session.Connection, *, limit: int) -> list[dict[str, Any]]:
    """The last `limit` sources as rows of loader_status, the newest first."""
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(statements.statement("import_sources"), {"limit": limit}).fetchall()


def shown(connection: session.Connection, *, source_id: int) -> dict[str, Any] | None:
    """One source in full: counts, content, and its TIPs by status."""
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(
            statements.statement("import_source"), {"source_id": source_id}
        ).fetchone()


def rejects(connection: session.Connection, *, source_id: int, limit: int) -> list[dict[str, Any]]:
    """The first `limit` rejected rows of a source."""
    with connection.cursor(row_factory=row_factories.dict_row) as cursor:
        return cursor.execute(
            statements.statement("import_rejects"), {"source_id": source_id, "limit": limit}
        ).fetchall()


def _number(connection: session.Connection, name: str) -> int:
    found = connection.execute(statements.statement(name)).fetchone()
    assert found is not None
    return int(found[0])
