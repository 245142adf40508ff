"""A real pgbouncer before a test's database."""

import os
import pwd
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import conninfo

from tests.support import parts, postgres
from tests.support.wait import until

PGBOUNCER = parts.find("pgbouncer")
needs_pgbouncer = parts.needs("pgbouncer")


def server_account(given: dict[str, object]) -> int:
    """Whom pgbouncer runs as: it refuses root, and must enter a private socket folder."""
    host = Path(str(given["host"]))
    if os.geteuid() != 0:
        return os.geteuid()
    if host.is_dir() and host.stat().st_uid != 0:
        return host.stat().st_uid
    return pwd.getpwnam("nobody").pw_uid


def _listens(path: Path) -> bool:
    """True when connections are taken: the socket's file is there a moment sooner."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextmanager
def pooled(dsn: str, mode: str, extra: str = "") -> Iterator[str]:
    """The DSN of a pgbouncer before `dsn`."""
    assert PGBOUNCER is not None
    given = conninfo.conninfo_to_dict(dsn)
    uid = server_account(given)
    folder = postgres.scratch()
    (folder / "users.txt").write_text(f'"{given["user"]}" ""\n')
    (folder / "bouncer.ini").write_text(
        f"[databases]\n{given['dbname']} = {conninfo.make_conninfo('', **given)}\n"
        f"[pgbouncer]\nlisten_addr =\nlisten_port = 6432\nunix_socket_dir = {folder}\n"
        f"auth_type = trust\nauth_file = {folder}/users.txt\npool_mode = {mode}\n{extra}\n"
    )
    become: list[str] = []
    if os.geteuid() == 0:
        os.chown(folder, uid, -1)
        become = ["-u", pwd.getpwuid(uid).pw_name]  # by itself: where it lies, only root may enter
    process = subprocess.Popen(
        [PGBOUNCER, "-q", *become, str(folder / "bouncer.ini")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _listens(folder / ".s.PGSQL.6432"), what="pgbouncer to listen")
        yield conninfo.make_conninfo(
            "", host=str(folder), port=6432, dbname=given["dbname"], user=given["user"]
        )
    finally:
        process.kill()
        process.wait()
