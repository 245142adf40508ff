"""A service in its first moments: HUP does not end it, the end of supervisord does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from noggin_mp.cli import main
from tests.support import fleet

# Until the shell that started us has ended; what it leaves may be there for a while.
ORPHANED = "while grep -qs '^State:.[^ZX]' /proc/$$/status; do sleep 0.01; done"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "--nonsense"], signal.SIG_IGN),
        (["-q", "worker"], signal.SIG_IGN),
        (["monitor", "--nonsense"], signal.SIG_IGN),
        (["status", "--nonsense"], signal.SIG_DFL),
        (["db", "psql", "--help", "--", "run"], signal.SIG_DFL),
    ],
)
def test_hup_does_not_end_a_service_that_still_starts(
    words: list[str], expected: signal.Handlers
) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    main.run(words)

    assert signal.getsignal(signal.SIGHUP) is expected


def test_service_ends_when_supervisord_is_gone_before_it_looks(tmp_path: Path) -> None:
    """An orphan of the first moment: the signal of a parent's death would come no more."""
    stat = subprocess.run(
        ["sh", "-c", f"({ORPHANED}; exec cat /proc/self/stat) &"], capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    if stat.rpartition(")")[2].split()[1] != "1":
        pytest.skip("orphans do not go to process 1 here")
    told = tmp_path / "told"
    words = f"'{sys.executable}' -m noggin_mp worker --slot 0"
    subprocess.run(
        ["sh", "-c", f"({ORPHANED}; exec {words}) >{told} 2>&1 & echo $! >{tmp_path}/pid"],
        check=True, env={**os.environ, "SUPERVISOR_ENABLED": "1"},
    )  # fmt: skip
    pid = int((tmp_path / "pid").read_text())
    fleet.gone(pid, timeout_s=180)

    assert told.read_text() == "noggin-mp: terminated\n"
