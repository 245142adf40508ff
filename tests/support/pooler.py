"""A real pgbouncer before a test's database."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg import conninfo

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
