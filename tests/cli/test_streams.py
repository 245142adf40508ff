"""A program that was started with its standard streams closed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLOSED = pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])

WRITER = """
import sys
from pathlib import Path
from noggin_mp.cli import streams
streams.complete()
with Path(sys.argv[1]).open("w") as file:
    file.write("a record")
    file.flush()
    print("printed", flush=True)
    print("said", file=sys.stderr, flush=True)
    from noggin_mp.observe import logs
    logs.get("job").error("failed")
    sys.exit(0 if sys.stdin.read() == "" else 1)
"""


def run(closed: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the interpreter with these streams closed."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, *words],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=300, cwd=ROOT,
    )  # fmt: skip


@CLOSED
def test_nothing_is_printed_into_a_file_when_streams_are_closed(
    tmp_path: Path, closed: str
) -> None:
    done = run(closed, "-c", WRITER, str(tmp_path / "record"))

    assert (done.returncode, (tmp_path / "record").read_text()) == (0, "a record"), done.stderr
    assert done.stdout == ("" if " >&-" in f" {closed}" else "printed\n")
    assert done.stderr.startswith("said\n") is ("2>&-" not in closed)


@CLOSED
def test_run_finds_all_ready_when_streams_are_closed(
    tmp_path: Path, migrated: str, closed: str
) -> None:
    config = tmp_path / "noggin.yaml"
    settings = {
        "database": {"dsn": migrated},
        "api": {"token": "made-up-token", "namespace": "n"},
        "paths": {name: str(tmp_path / name) for name in ("state", "input", "output", "log")},
        "monitor": {"bind": "off"},
    }
    config.write_text(json.dumps(settings))  # JSON is YAML
    done = run(closed, "-m", "noggin_mp", "-c", str(config), "run", "--dry-run")

    assert done.returncode == 0, done.stderr
