"""The database's schema: migrations in order, once each, checked against what was applied."""

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg import sql

from noggin_mp.domain import errors
from noggin_mp.store import migrations, pooler, session

# One number per database: two programs that migrate it take turns, whatever their schema.
_LOCK: Final = 0x6E6F6767696E  # "noggin"
_IDENTIFIER: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TAKEN: Final = frozenset({"public", "information_schema"})
_MIGRATE: Final = "run noggin-mp db migrate"

_TABLE: Final = """
CREATE TABLE {}.schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by text NOT NULL
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One migration that was applied by this call, or would be in a dry run."""

    version: int
    name: str
    file: str


def migrate(connection: session.Connection, *, schema: str, dry_run: bool = False) -> list[Applied]:
    """What was applied (dry run: what would be), in order; nothing when the schema is current.

    Each migration runs in its own transaction, all under one advisory lock, so that several
    processes may call this at once: one works, the others wait and find nothing left to do.
    The database's default search_path becomes the schema, so that plain psql finds the tables.

    Raises: SchemaError when the database is newer, a file was altered after it was applied, a
    migration fails or a statement is not permitted; ConfigError for an unsafe schema name;
    DatabaseUnreachable when the connection is lost or takes no writes.
    """
    name = safe_identifier(schema)
    shipped = migrations.shipped()
    if dry_run:
        return [_summary(migration) for migration in _pending(connection, name, shipped)]
    with session.telling(connection.info.dsn), _locked(connection):
        pending = _pending(connection, name, shipped)
        _prepare(connection, name)
        for migration in pending:
            _apply(connection, name, migration)
    return [_summary(migration) for migration in pending]


def version(connection: session.Connection, schema: str) -> int:
    """The number of the last migration applied; 0 when there is none."""
    return max(_applied(connection, safe_identifier(schema)), default=0)


def latest() -> int:
    """The number of the last migration this program ships."""
    return len(migrations.shipped())


def check(connection: session.Connection, schema: str) -> None:
    """Nothing, when the schema is exactly the one this program was written for.

    Raises: SchemaError when it is missing, older, newer, or made from altered files.
    """
    pending = _pending(connection, safe_identifier(schema), migrations.shipped())
    if not pending:
        return
    database = connection.info.dbname
    if pending[0].version == 1:
        raise errors.SchemaError(f"database {database} has no schema {schema} yet", remedy=_MIGRATE)
    raise errors.SchemaError(
        f"schema {schema} of database {database} is at version {pending[0].version - 1},"
        f" older than this program's {pending[-1].version}",
        remedy=_MIGRATE,
    )


def safe_identifier(schema: str) -> str:
    """The schema's name, when it needs no quoting and is nobody else's.

    Raises: ConfigError otherwise.
    """
    if not _IDENTIFIER.fullmatch(schema) or schema.startswith("pg_") or schema in _TAKEN:
        raise errors.ConfigError(
            f"database.schema {schema!r} cannot be used",
            remedy="choose lower-case letters, digits and underscores, not starting with a digit or"
            " pg_, at most 63 characters, and not public",
        )
    return schema


def _pending(
    connection: session.Connection, schema: str, shipped: tuple[migrations.Migration, ...]
) -> list[migrations.Migration]:
    """The migrations still to run, after checking those that did."""
    applied = _applied(connection, schema)
    known = {migration.version: migration for migration in shipped}
    newest = max(applied, default=0)
    if newest > len(shipped):
        raise errors.SchemaError(
            f"schema {schema} of database {connection.info.dbname} is at version {newest},"
            f" newer than this program's {len(shipped)}",
            remedy="install the version of noggin-mp that migrated it, or a later one",
        )
    for number, sha256 in applied.items():
        if known[number].sha256 != sha256:
            raise errors.SchemaError(
                f"{known[number].file} was altered after it was applied to schema {schema} of"
                f" database {connection.info.dbname}",
                remedy="restore the file as it was released; changes belong into a new migration",
            )
    missing = [number for number in range(1, newest + 1) if number not in applied]
    if missing:
        raise errors.SchemaError(
            f"schema {schema} of database {connection.info.dbname} is at version {newest}"
            f" but its schema_migrations lacks {missing[0]}",
            remedy="restore the row, or the database from a backup",
        )
    return [migration for migration in shipped if migration.version > newest]


def _applied(connection: session.Connection, schema: str) -> dict[int, str]:
    """Version -> sha256 of what was applied."""
    query = sql.SQL("SELECT version, sha256 FROM {}.schema_migrations ORDER BY version")
    try:
        with connection.transaction():
            if not _table_exists(connection, schema):
                return {}
            return dict(connection.execute(query.format(sql.Identifier(schema))).fetchall())
    except psycopg.errors.ProtocolViolation:  # the first transaction on a session: none is known
        raise pooler.refusal("statement") from None
    except psycopg.errors.InsufficientPrivilege as error:
        role = _role(connection)
        raise _not_permitted(
            connection,
            error,
            f"GRANT USAGE ON SCHEMA {schema} TO {role}"
            f" and GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}",
        ) from error


@contextmanager
def _locked(connection: session.Connection) -> Iterator[None]:
    """Alone among migrating processes. A session lock: it outlives the migrations' transactions."""
    timeout = _value(connection, "SELECT current_setting('statement_timeout')")
    _value(connection, "SELECT set_config('statement_timeout', '0', false)")
    _value(connection, "SELECT pg_advisory_lock(%s)", _LOCK)
    try:
        yield
    finally:
        if not connection.closed:
            _value(connection, "SELECT pg_advisory_unlock(%s)", _LOCK)
            _value(connection, "SELECT set_config('statement_timeout', %s, false)", timeout)


def _value(connection: session.Connection, query: str, *parameters: object) -> object:
    """The one value of a statement that is a transaction of its own, autocommit or not."""
    with connection.transaction():
        row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def _prepare(connection: session.Connection, schema: str) -> None:
    """The schema, its table of migrations and the database's search_path exist."""
    name, database = sql.Identifier(schema), sql.Identifier(connection.info.dbname)
    role = sql.Identifier(_role(connection))
    owners_work = []
    if not _schema_exists(connection, schema):
        owners_work.append(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, role))
    if not _search_path_leads(connection, schema):
        owners_work.append(
            sql.SQL("ALTER DATABASE {} SET search_path = {}, public").format(database, name)
        )
    try:
        with connection.transaction():
            for statement in owners_work:
                connection.execute(statement)
            if not _table_exists(connection, schema):
                connection.execute(sql.SQL(_TABLE).format(name))
    except psycopg.errors.InsufficientPrivilege as error:
        wanted = " and ".join(statement.as_string(connection) for statement in owners_work)
        grant = sql.SQL("GRANT CREATE, USAGE ON SCHEMA {} TO {}").format(name, role)
        raise _not_permitted(connection, error, wanted or grant.as_string(connection)) from error


def _role(connection: session.Connection) -> str:
    return str(_value(connection, "SELECT current_user"))


def _table_exists(connection: session.Connection, schema: str) -> bool:
    query = "SELECT to_regclass(format('%%I.schema_migrations', %s::text)) IS NOT NULL"
    return bool(_value(connection, query, schema))


def _schema_exists(connection: session.Connection, schema: str) -> bool:
    query = "SELECT count(*) > 0 FROM pg_namespace WHERE nspname = %s"
    return bool(_value(connection, query, schema))


def _search_path_leads(connection: session.Connection, schema: str) -> bool:
    """True when the database's own search_path already begins with the schema."""
    found = _value(
        connection,
        "SELECT split_part(s, '=', 2) FROM pg_db_role_setting, unnest(setconfig) AS s"
        " WHERE setrole = 0 AND starts_with(s, 'search_path=')"
        " AND setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    return str(found or "").split(",")[0].strip().strip('"') == schema


def _apply(connection: session.Connection, schema: str, migration: migrations.Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(
                sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(schema))
            )
            connection.execute(migration.text)
            record = sql.SQL(
                "INSERT INTO {}.schema_migrations (version, name, sha256, applied_by)"
                " VALUES (%s, %s, %s, %s)"
            )
            connection.execute(
                record.format(sql.Identifier(schema)),
                (migration.version, migration.name, migration.sha256, _who()),
            )
    except psycopg.Error as error:
        if connection.closed or isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            raise
        place = f"{migration.file}{_line(migration.text, error)}"
        raise errors.SchemaError(
            f"{place} failed and was rolled back: {error.diag.message_primary or error}",
            remedy="correct the cause and run noggin-mp db migrate again",
        ) from error


def _who() -> str:
    """The person or service account at work."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _line(text: str, error: psycopg.Error) -> str:
    position = error.diag.statement_position
    return f":{text.count(chr(10), 0, int(position) - 1) + 1}" if position else ""


def _not_permitted(
    connection: session.Connection, error: psycopg.Error, statement: str
) -> errors.SchemaError:
    return errors.SchemaError(
        f"role {_role(connection)} may not do this in database {connection.info.dbname}:"
        f" {error.diag.message_primary}",
        remedy=f"let an owner of the database run {statement}; then run noggin-mp db migrate again",
    )


def _summary(migration: migrations.Migration) -> Applied:
    return Applied(version=migration.version, name=migration.name, file=migration.file)
