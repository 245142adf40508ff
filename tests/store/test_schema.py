"""Migrations run once each, in order, one process at a time, and are held to what was applied."""

import dataclasses
import hashlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from psycopg import sql

from noggin_mp.domain import errors
from noggin_mp.store import migrations, schema, session
from tests.support.postgres import SCHEMA


@pytest.fixture
def empty(database: str) -> Iterator[session.Connection]:
    """A session with a database without our schema."""
    with session.connect(database, schema=SCHEMA, application_name="tests") as connection:
        yield connection


@pytest.fixture
def role(empty: session.Connection) -> Iterator[str]:
    """A role that may connect and nothing else, dropped afterwards."""
    row = empty.execute("SELECT 'r_' || current_database()").fetchone()
    assert row is not None
    name = sql.Identifier(row[0])
    empty.execute(sql.SQL("CREATE ROLE {}").format(name))
    yield row[0]
    empty.execute("RESET ROLE")
    empty.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(name))
    empty.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(SCHEMA)))
    empty.execute(sql.SQL("DROP ROLE {}").format(name))


def ship(monkeypatch: pytest.MonkeyPatch, *shipped: migrations.Migration) -> None:
    """The program ships these migrations instead."""
    monkeypatch.setattr(migrations, "shipped", lambda: shipped)


def made(version: int, text: str) -> migrations.Migration:
    """A migration that is not in the folder."""
    return migrations.Migration(
        version=version,
        name=f"made{version}",
        file=f"sql/migrations/{version:04}_made{version}.sql",
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def count(connection: session.Connection, query: str) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def test_migrate_applies_all_in_order_when_database_is_empty(
    empty: session.Connection, database: str
) -> None:
    shipped = migrations.shipped()
    applied = schema.migrate(empty, schema=SCHEMA)
    assert [step.file for step in applied] == [migration.file for migration in shipped]
    assert schema.version(empty, SCHEMA) == schema.latest() == len(shipped)
    rows = empty.execute(
        "SELECT version, name, sha256 FROM schema_migrations ORDER BY 1"
    ).fetchall()
    assert rows == [(m.version, m.name, m.sha256) for m in shipped]
    assert count(empty, "SELECT count(*) FROM schema_migrations WHERE applied_by = ''") == 0
    schema.check(empty, SCHEMA)


def test_migrate_sets_search_path_of_database_when_done(
    empty: session.Connection, database: str
) -> None:
    schema.migrate(empty, schema=SCHEMA)
    with session.connect(database, schema="public", application_name="tests") as other:
        other.execute("RESET search_path")
        assert count(other, "SELECT count(*) FROM noggin_data") == 0


def test_migrate_does_nothing_when_schema_is_current(empty: session.Connection) -> None:
    schema.migrate(empty, schema=SCHEMA)
    before = empty.execute("SELECT * FROM schema_migrations").fetchall()
    assert schema.migrate(empty, schema=SCHEMA) == []
    assert empty.execute("SELECT * FROM schema_migrations").fetchall() == before


def test_migrate_goes_on_when_database_is_half_migrated(
    empty: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = migrations.shipped()
    ship(monkeypatch, shipped[0])
    assert [step.version for step in schema.migrate(empty, schema=SCHEMA)] == [1]
    ship(monkeypatch, *shipped)
    with pytest.raises(errors.SchemaError, match="older than this program's") as caught:
        schema.check(empty, SCHEMA)
    assert caught.value.remedy == "run noggin-mp db migrate"
    assert caught.value.exit_code == 3
    later = [migration.version for migration in shipped[1:]]
    assert [step.version for step in schema.migrate(empty, schema=SCHEMA)] == later
    schema.check(empty, SCHEMA)


def test_migrate_works_when_connection_is_not_autocommit(database: str) -> None:
    with session.connect(
        database, schema=SCHEMA, application_name="tests", autocommit=False
    ) as connection:
        schema.migrate(connection, schema=SCHEMA)
        connection.rollback()
        schema.check(connection, SCHEMA)


def test_migrate_lists_and_changes_nothing_when_dry(empty: session.Connection) -> None:
    listed = schema.migrate(empty, schema=SCHEMA, dry_run=True)
    assert [step.version for step in listed] == [m.version for m in migrations.shipped()]
    assert schema.version(empty, SCHEMA) == 0
    assert count(empty, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'noggin%'") == 0


def test_migrate_keeps_functions_at_home_when_schema_has_another_name(
    empty: session.Connection,
) -> None:
    schema.migrate(empty, schema="trucks_2")
    empty.execute("SET search_path = public")
    empty.execute("INSERT INTO trucks_2.noggin_data (tip) VALUES ('a')")
    assert count(empty, "SELECT count(*) FROM trucks_2.ready") == 1
    with pytest.raises(errors.SchemaError, match="no schema noggin_schema yet"):
        schema.check(empty, SCHEMA)


@pytest.mark.parametrize(
    "name", ["", "Trucks", "a b", 'a"b', "1st", "pg_trucks", "public", "a;b", "x" * 64, "é"]
)
def test_migrate_refuses_when_schema_name_is_unsafe(empty: session.Connection, name: str) -> None:
    with pytest.raises(errors.ConfigError, match=r"database\.schema"):
        schema.migrate(empty, schema=name)


def test_check_and_migrate_refuse_when_database_is_newer(empty: session.Connection) -> None:
    schema.migrate(empty, schema=SCHEMA)
    empty.execute("INSERT INTO schema_migrations VALUES (9999, 'future', 'x', now(), 'me')")
    for refused in (schema.check, lambda c, name: schema.migrate(c, schema=name)):
        with pytest.raises(errors.SchemaError, match="version 9999, newer than") as caught:
            refused(empty, SCHEMA)
        assert caught.value.exit_code == 3


def test_check_and_migrate_name_file_when_it_was_altered(
    empty: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = migrations.shipped()
    schema.migrate(empty, schema=SCHEMA)
    altered = dataclasses.replace(shipped[1], sha256="0" * 64)
    ship(monkeypatch, shipped[0], altered, *shipped[2:])
    for refused in (schema.check, lambda c, name: schema.migrate(c, schema=name)):
        with pytest.raises(errors.SchemaError, match=r"0002_queue\.sql was altered"):
            refused(empty, SCHEMA)


def test_check_refuses_when_a_row_is_missing(empty: session.Connection) -> None:
    schema.migrate(empty, schema=SCHEMA)
    empty.execute("DELETE FROM schema_migrations WHERE version = 1")
    with pytest.raises(errors.SchemaError, match="lacks 1"):
        schema.check(empty, SCHEMA)


def test_migrate_rolls_back_and_names_line_when_a_migration_fails(
    empty: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = made(1, "CREATE TABLE one ();"), made(2, "CREATE TABLE two ();\n\nSELEC 1;")
    ship(monkeypatch, good, bad)
    with pytest.raises(errors.SchemaError, match=r"0002_made2\.sql:3 failed .* syntax error"):
        schema.migrate(empty, schema=SCHEMA)
    assert schema.version(empty, SCHEMA) == 1
    assert count(empty, "SELECT (to_regclass('two') IS NOT NULL)::int") == 0
    ship(monkeypatch, good, made(2, "CREATE TABLE two ();"))
    assert [step.version for step in schema.migrate(empty, schema=SCHEMA)] == [2]


def test_migrate_tells_lost_connection_when_server_ends_it(
    empty: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(monkeypatch, made(1, "SELECT pg_terminate_backend(pg_backend_pid());"))
    with pytest.raises(errors.DatabaseUnreachable):
        schema.migrate(empty, schema=SCHEMA)


@pytest.mark.parametrize("half", [False, True])
def test_migrate_tells_when_the_database_takes_no_writes(
    empty: session.Connection, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    if half:
        ship(monkeypatch, made(1, "CREATE TABLE one ();"))
        schema.migrate(empty, schema=SCHEMA)
    ship(monkeypatch, made(1, "CREATE TABLE one ();"), made(2, "CREATE TABLE two ();"))
    empty.execute("SET default_transaction_read_only = on")
    with pytest.raises(errors.DatabaseUnreachable, match="read-only") as caught:
        schema.migrate(empty, schema=SCHEMA)
    assert "the primary" in caught.value.remedy


def test_migrate_says_what_owner_must_run_when_role_may_not(
    empty: session.Connection, role: str
) -> None:
    become = sql.SQL("SET ROLE {}").format(sql.Identifier(role))
    empty.execute(become)
    with pytest.raises(errors.SchemaError) as caught:
        schema.migrate(empty, schema=SCHEMA)
    create, alter = caught.value.remedy.split(" run ")[1].split(";")[0].split(" and ")
    assert create == f'CREATE SCHEMA "{SCHEMA}" AUTHORIZATION "{role}"'
    assert alter.startswith("ALTER DATABASE ")
    empty.execute("RESET ROLE")
    empty.execute(create)
    empty.execute(alter)
    empty.execute(become)
    schema.migrate(empty, schema=SCHEMA)
    schema.check(empty, SCHEMA)


def test_check_says_what_owner_must_grant_when_role_may_not_look(
    empty: session.Connection, role: str
) -> None:
    schema.migrate(empty, schema=SCHEMA)
    empty.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    with pytest.raises(errors.SchemaError, match=f"GRANT USAGE ON SCHEMA {SCHEMA}"):
        schema.check(empty, SCHEMA)


def test_migrate_applies_each_once_when_processes_race(
    empty: session.Connection, database: str
) -> None:
    program = (
        "import sys; from noggin_mp.store import schema, session\n"
        "c = session.connect(sys.argv[1], schema=sys.argv[2], application_name='race')\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(len(schema.migrate(c, schema=sys.argv[2])))\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, database, SCHEMA],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(5)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    counts = [int(racer.communicate(timeout=180)[0]) for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 5
    assert sorted(counts) == [0, 0, 0, 0, schema.latest()]
    schema.check(empty, SCHEMA)
