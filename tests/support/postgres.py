"""A real Postgres for tests: NOGGIN_TEST_DSN's server, or an embedded one shared by the whole run.

One run (all its xdist workers) is one temporary folder named by NOGGIN_TEST_RUN. The databases it
makes carry the folder's name, so that whatever is left can be found and removed: by the run's
first process when it ends, or by a watcher process when that one is killed.
"""

import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import conninfo, errors, sql

from noggin_mp.store import embedded, schema, session

SCHEMA = "noggin_schema"
RUN = "NOGGIN_TEST_RUN"
SERVER = "NOGGIN_TEST_DSN"

# Nothing in a test's database is worth a disk's time.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "300",
    "max_wal_size": "256MB",
}
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ROOM_BYTES = 2 * 1024**3
_numbers = itertools.count(1)


def begin() -> None:
    """Names the run; called once, by its first process, before it has workers."""
    folder = Path(tempfile.mkdtemp(prefix="noggin_test_", dir=_fast_folder()))
    folder.chmod(0o755)  # the server's account must be able to enter when we are root
    os.environ[RUN] = str(folder)
    os.environ[f"{RUN}_PID"] = str(os.getpid())


def end(run: Path) -> None:
    """Removes everything the run made: databases on a server given, or the embedded server."""
    if not run.exists():
        return
    if os.environ.get(SERVER) and (run / "server").exists():
        with _admin(os.environ[SERVER]) as admin:
            names = admin.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (run.name,)
            ).fetchall()
            for (name,) in names:
                _drop(admin, name)
    for pointer in list(run.rglob("where.json")):  # one lies in every embedded server's folder
        embedded.destroy(pointer.parent.parent)
    shutil.rmtree(run, ignore_errors=True)


def server_dsn() -> str:
    """A DSN of the run's server whose role may create databases."""
    run = Path(os.environ[RUN])
    with _once(run):
        _watch(run)
        given = os.environ.get(SERVER)
        dsn = given or embedded.ensure_running(run / "state", settings=FAST)
        (run / "server").touch()
    return dsn


def scratch() -> Path:
    """A new folder of the run for embedded servers of a test's own; they end with the run."""
    run = Path(os.environ[RUN])
    with _once(run):
        _watch(run)
    folder = Path(tempfile.mkdtemp(prefix="s", dir=run))
    folder.chmod(0o755)
    return folder


def create_database(server: str, *, template: str | None = None) -> str:
    """The DSN of a new database of a unique name, empty or a copy of `template`."""
    name = f"{Path(os.environ[RUN]).name}_{os.getpid()}_{next(_numbers)}"
    with _admin(server) as admin:
        _create(admin, name, template or "template0")
    return conninfo.make_conninfo(server, dbname=name)


def drop_database(dsn: str) -> None:
    """Drops the database, ending whoever is still connected to it."""
    with _admin(dsn) as admin:
        _drop(admin, str(conninfo.conninfo_to_dict(dsn)["dbname"]))


def migrated_template(server: str) -> str:
    """The name of the run's database with all migrations, made by the first to ask."""
    run = Path(os.environ[RUN])
    name = f"{run.name}_template"
    with _once(run):
        if not (run / "template").exists():
            with _admin(server) as admin:
                _drop(admin, name)
                _create(admin, name, "template0")
            migrate(conninfo.make_conninfo(server, dbname=name))
            (run / "template").touch()
    return name


def advisory_locks(connection: session.Connection) -> int:
    """How many advisory locks are held in the connection's database."""
    row = connection.execute(
        "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
        " WHERE locktype = 'advisory' AND datname = current_database()"
    ).fetchone()
    assert row is not None
    return int(row[0])


def migrate(dsn: str) -> None:
    """Runs what is pending: on a copy only the database's search_path, which is not copied."""
    with session.connect(dsn, schema=SCHEMA, application_name="tests") as connection:
        schema.migrate(connection, schema=SCHEMA)


def _fast_folder() -> Path | None:
    """Memory where there is plenty: a database of some hundred files is made ten times faster."""
    if not os.access(_MEMORY, os.W_OK):
        return None
    room = os.statvfs(_MEMORY)
    return _MEMORY if room.f_bavail * room.f_frsize > _ROOM_BYTES else None


@contextmanager
def _admin(server: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    given = conninfo.conninfo_to_dict(os.environ.get(SERVER, ""))
    name = given.get("dbname", "postgres")
    maintenance = conninfo.make_conninfo(server, dbname=name, connect_timeout=60)
    with psycopg.connect(maintenance, autocommit=True) as admin:
        admin.execute("SET client_min_messages = warning")
        yield admin


def _create(admin: psycopg.Connection[tuple[object, ...]], name: str, template: str) -> None:
    statement = "CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'"
    _patiently(admin, sql.SQL(statement).format(sql.Identifier(name), sql.Identifier(template)))


def _drop(admin: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    statement = "DROP DATABASE IF EXISTS {} WITH (FORCE)"
    _patiently(admin, sql.SQL(statement).format(sql.Identifier(name)))


def _patiently(admin: psycopg.Connection[tuple[object, ...]], statement: sql.Composed) -> None:
    """Postgres waits 5 s for sessions to end that were ended or closed; a busy machine takes more.

    Source: CountOtherDBBackends in its procarray.c.
    """
    for _ in range(10):
        with suppress(errors.ObjectInUse):
            admin.execute(statement)
            return
    admin.execute(statement)


@contextmanager
def _once(run: Path) -> Iterator[None]:
    """One process of the run at a time."""
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _watch(run: Path) -> None:
    """Starts, once, the process that cleans up when the run's first process was killed."""
    if (run / "watched").exists():
        return
    (run / "watched").touch()
    subprocess.Popen(
        [sys.executable, "-m", "tests.support.watcher", os.environ[f"{RUN}_PID"], str(run)],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
