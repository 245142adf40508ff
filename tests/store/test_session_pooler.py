"""A pooler that would break LISTEN and session locks is recognised; another is let be."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from noggin_mp.domain import errors
from noggin_mp.store import session
from tests.support import postgres
from tests.support.wait import until

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PGBOUNCER is None, reason="pgbouncer is not installed: apt-get install pgbouncer"
)


def server_account(parts: dict[str, object]) -> int:
    """Whom pgbouncer runs as: it refuses root, and must enter a private socket folder."""
    host = Path(str(parts["host"]))
    if os.geteuid() != 0:
        return os.geteuid()
    if host.is_dir() and host.stat().st_uid != 0:
        return host.stat().st_uid
    return pwd.getpwnam("nobody").pw_uid


@contextmanager
def pooled(dsn: str, mode: str, extra: str = "") -> Iterator[str]:
    """The DSN of a pgbouncer before `dsn`."""
    assert PGBOUNCER is not None
    parts = conninfo.conninfo_to_dict(dsn)
    uid = server_account(parts)
    folder = postgres.scratch()
    (folder / "users.txt").write_text(f'"{parts["user"]}" ""\n')
    (folder / "bouncer.ini").write_text(
        f"[databases]\n{parts['dbname']} = {conninfo.make_conninfo('', **parts)}\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\n"
        f"auth_type = trust\nauth_file = {folder}/users.txt\npool_mode = {mode}\n{extra}\n"
    )
    if os.geteuid() == 0:
        os.chown(folder, uid, -1)
    process = subprocess.Popen(
        [PGBOUNCER, "-q", str(folder / "bouncer.ini")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **({"user": uid, "group": uid, "extra_groups": []} if os.geteuid() == 0 else {}),
    )
    try:
        until(lambda: (folder / ".s.PGSQL.6432").exists(), what="pgbouncer to listen")
        yield conninfo.make_conninfo(
            "", host=str(folder), port=6432, dbname=parts["dbname"], user=parts["user"]
        )
    finally:
        process.kill()
        process.wait()


def check(dsn: str) -> None:
    with session.connect(dsn, schema="noggin_schema", application_name="tests") as connection:
        session.check_pooler(connection)


def test_check_pooler_passes_when_connection_is_direct(database: str) -> None:
    check(database)


@needs_pgbouncer
def test_check_pooler_passes_when_pooler_keeps_sessions(database: str) -> None:
    with pooled(database, "session") as dsn:
        check(dsn)


@needs_pgbouncer
def test_check_pooler_passes_when_session_pool_has_one_place(database: str) -> None:
    with pooled(database, "session", "default_pool_size = 1") as dsn:
        check(dsn)


@needs_pgbouncer
@pytest.mark.parametrize("extra", ["", "server_round_robin = 1", "default_pool_size = 1"])
def test_check_pooler_refuses_when_pooler_shares_sessions(database: str, extra: str) -> None:
    with (
        pooled(database, "transaction", extra) as dsn,
        pytest.raises(errors.ConfigError, match="direct or session-pooled DSN") as caught,
    ):
        check(dsn)
    assert caught.value.exit_code == 3


@needs_pgbouncer
def test_check_pooler_refuses_when_shared_pool_is_busy(database: str) -> None:
    with pooled(database, "transaction", "server_round_robin = 1") as dsn:
        others = [psycopg.connect(dsn) for _ in range(4)]
        for number, other in enumerate(others):
            other.execute("SELECT 1")  # each holds a server process of its own
            if number % 2:
                other.rollback()
        with pytest.raises(errors.ConfigError):
            check(dsn)
        for other in others:
            other.close()
