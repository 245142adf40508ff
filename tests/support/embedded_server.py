"""What tests of the embedded server need: its programs as processes, and people to run them."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support import postgres

ROOT = os.geteuid() == 0
as_root_only = pytest.mark.skipif(not ROOT, reason="needs root, which drops to another user")

# Starts the server, prints its DSN, and waits to be killed or told to end.
STARTER = (
    "import json, sys; from pathlib import Path; from noggin_mp.store import embedded\n"
    "print(embedded.ensure_running(Path(sys.argv[1]), settings=json.loads(sys.argv[2])), flush=True)\n"
    "sys.stdin.readline()\n"
)
STOPPER = (
    "import sys; from pathlib import Path; from noggin_mp.store import embedded\n"
    "print(embedded.stop(Path(sys.argv[1])))\n"
)


def spawn(program: str, *arguments: str, user: str | None = None) -> subprocess.Popen[str]:
    """The program running in a session of its own, as `user` where given (root only)."""
    entry = pwd.getpwnam(user) if user else None
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(postgres.__file__).parents[2])},
        **({"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []} if entry else {}),
    )


def line(process: subprocess.Popen[str]) -> str:
    """The next line it prints; its complaints when there is none."""
    assert process.stdout is not None
    text = process.stdout.readline().strip()
    if not text:
        raise AssertionError(process.communicate()[1])
    return text


def value(dsn: str, query: str) -> object:
    """The one value a statement returns; None for a statement without rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def reachable_by(user: str) -> bool:
    """True when that user can run our Python, which a clone in a private folder denies."""
    process = spawn("import noggin_mp.store.embedded", user=user)
    process.communicate()
    return process.returncode == 0
