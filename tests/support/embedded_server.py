"""What tests of the embedded server need: its programs as processes, and people to run them."""

import os
import pwd
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest

from noggin_mp.store import binaries
from tests.support import postgres

ROOT = os.geteuid() == 0
_CLONE = str(Path(postgres.__file__).parents[2])
_SEARCHED = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
as_root_only = pytest.mark.skipif(not ROOT, reason="needs root, which drops to another user")

# Starts the server, prints its DSN, and waits to be killed or told to end.
STARTER = """
import json, sys
from pathlib import Path
from noggin_mp.store import embedded
print(embedded.ensure_running(Path(sys.argv[1]), settings=json.loads(sys.argv[2])), flush=True)
sys.stdin.readline()
"""
STOPPER = """
import sys
from pathlib import Path
from noggin_mp.store import embedded
print(embedded.stop(Path(sys.argv[1])))
"""
# Becomes another user inside a running Python, which may lie where that user cannot enter:
# everything that is imported late is imported before.
_BECOME = """
import os, psycopg
from noggin_mp.store import binaries, embedded
binaries.find()
try:
    psycopg.connect("host=/nowhere")
except psycopg.OperationalError:
    pass
os.setgroups([])
os.setgid({gid})
os.setuid({uid})
"""


def spawn(program: str, *arguments: str, user: str | None = None) -> subprocess.Popen[str]:
    """The program running in a session of its own, as `user` where given (root only)."""
    entry = pwd.getpwnam(user) if user else None
    become = _BECOME.format(uid=entry.pw_uid, gid=entry.pw_gid) if entry else ""
    return subprocess.Popen(
        [sys.executable, "-c", become + program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([_CLONE, *_SEARCHED])},
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


def skip_unless_reachable(user: str) -> None:
    """Skips the test when that user cannot run the wheel's programs where they lie."""
    entry = pwd.getpwnam(user)
    account = binaries.Account(uid=entry.pw_uid, gid=entry.pw_gid, drop=True)
    if not binaries.usable(binaries.find(), account, Path(tempfile.gettempdir())):
        pytest.skip(f"{user} cannot enter the folder that holds this environment")
