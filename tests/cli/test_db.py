"""`db`: what people and scripts get from start, stop, status, migrate and psql."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo

from noggin_mp.store import embedded, schema, session
from tests.support import postgres
from tests.support.command import Command, Done

SECRET = "s3cr3t-pa55"


@pytest.fixture(autouse=True)
def keep_sigterm() -> Iterator[None]:
    """Commands set a handler of their own in this process."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def embedded_command() -> Iterator[Command]:
    """A command without a DSN: the embedded server, removed afterwards."""
    command = Command(postgres.scratch(), "")
    yield command
    embedded.destroy(command.folder / "state")


def psql(command: Command, *words: str, **environment: str) -> Done:
    """`db psql` as a process of its own, which becomes psql."""
    done = subprocess.run(
        [sys.executable, "-m", "noggin_mp", "-c", str(command.config), "db", "psql", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)


def test_db_starts_tells_and_stops_when_dsn_is_empty(embedded_command: Command) -> None:
    command = embedded_command
    before = command("db", "status", "--json").json
    assert (before["running"], before["schema_version"], before["embedded"]) == (False, None, True)
    assert "noggin-mp db start" in before["problem"]
    started = command("db", "start")
    assert started.code == 0
    assert session.parse(started.out.strip())["dbname"] == "noggin_db"
    running = command("db", "status", "--json").json
    assert running["running"]
    assert running["dsn"] == started.out.strip()
    assert running["schema_version"] == 0
    assert running["server_version"].startswith("18")
    assert Path(running["data_directory"]).is_dir()
    assert command("db", "start", "--json").json["dsn"] == started.out.strip()
    assert command("db", "stop", "--json").json["stopped"] is True
    again = command("db", "stop")
    assert (again.code, again.out) == (0, "")
    assert "no embedded database is running" in again.err
    assert command("db", "status").code == 0
    assert command("db", "status", "--json").json["running"] is False


def test_db_psql_starts_embedded_server_when_it_is_down(embedded_command: Command) -> None:
    done = psql(embedded_command, "--", "-XAtc", "SELECT current_user")
    assert (done.code, done.out) == (0, "noggin\n")


def test_db_start_refuses_when_dsn_is_set(tmp_path: Path) -> None:
    done = Command(tmp_path, "host=db")("db", "start")
    assert done.code == 2
    assert "database.dsn is set" in done.err


def test_db_migrate_lists_then_applies_then_rests(tmp_path: Path, database: str) -> None:
    command = Command(tmp_path, database)
    files = [step.file for step in _pending(database)]
    dry = command("db", "migrate", "--dry-run")
    assert dry.out.splitlines() == [f"pending {file}" for file in files]
    assert command("db", "status", "--json").json["schema_version"] == 0
    applied = command("db", "migrate", "--json").json
    assert [step["file"] for step in applied["applied"]] == files
    assert applied["database_version"] == len(files)
    status = command("db", "status", "--json").json
    assert status["schema_version"] == len(files)
    assert status["problem"] is None
    assert "nothing pending" in command("db", "migrate").out


def _pending(dsn: str) -> list[schema.Applied]:
    with session.connect(dsn, schema=postgres.SCHEMA, application_name="tests") as connection:
        return schema.migrate(connection, schema=postgres.SCHEMA, dry_run=True)


def test_db_commands_exit_3_when_database_is_newer(tmp_path: Path, migrated: str) -> None:
    with session.connect(migrated, schema=postgres.SCHEMA, application_name="tests") as connection:
        connection.execute(
            "INSERT INTO schema_migrations VALUES (9999, 'future', 'x', now(), 'me')"
        )
    command = Command(tmp_path, migrated)
    done = command("db", "migrate")
    assert done.code == 3
    assert "newer than this program's" in done.err
    status = command("db", "status", "--json")
    assert status.code == 0
    assert status.json["schema_version"] == 9999
    assert "newer than this program's" in status.json["problem"]


def test_db_migrate_exits_5_without_password_when_nobody_answers(
    tmp_path: Path, dead_port: int
) -> None:
    command = Command(tmp_path, f"postgresql://joe:{SECRET}@127.0.0.1:{dead_port}/d")
    for words in (("db", "migrate"), ("db", "migrate", "--json"), ("db", "migrate", "-v")):
        done = command(*words)
        assert done.code == 5
        assert SECRET not in done.out + done.err
    status = command("db", "status", "--json")
    assert status.code == 0
    assert SECRET not in status.out
    assert status.json["running"] is False
    assert "***" in status.json["dsn"]
    assert "onnection refused" in status.json["problem"]


def test_db_psql_passes_arguments_when_they_follow_dashes(tmp_path: Path, migrated: str) -> None:
    done = psql(
        Command(tmp_path, migrated),
        *("--", "-X", "-v", "ON_ERROR_STOP=1", "-v", "n=7", "-At"),
        *("-c", "SELECT count(*) FROM noggin_data", "-c", "SHOW search_path"),
    )
    assert done.code == 0, done.err
    assert done.out == "0\nnoggin_schema, public\n"
    failed = psql(Command(tmp_path, migrated), "--", "-XAtc", "SELECT nonsense")
    assert failed.code == 1


def test_db_psql_hands_password_over_in_environment(tmp_path: Path, migrated: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    spy = folder / "psql"
    spy.write_text('#!/bin/sh\nprintf "%s\\n" "$*" "$PGPASSWORD"\n')
    spy.chmod(0o755)
    dsn = conninfo.make_conninfo(migrated, password=SECRET)
    done = psql(Command(tmp_path, dsn), "--", "-l", PATH=f"{folder}:{os.environ['PATH']}")
    arguments, password = done.out.splitlines()
    assert SECRET not in arguments
    assert arguments.endswith(" -l")
    assert password == SECRET
