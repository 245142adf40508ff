"""What the documents tell people to type, typed: in a small world of simulator and database."""

import contextlib
import json
import os
import select
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from noggin_mp.simulator import launch
from noggin_mp.store import embedded, session
from tests.support import markdown, postgres

COMMAND_S = 300.0
LEFT_OUT = ("NOGGIN_CONFIG", "NOGGIN_TOKEN", "NOGGIN_DSN", "PGOPTIONS")

CONFIG = """\
api:
  base_url: {base_url}
  namespace: {namespace}
  token: {token}
fleet:
  workers: 1
  threads: 4
attachments:
  min_free_bytes: 0
monitor:
  bind: 127.0.0.1:0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A folder where `noggin-mp` finds a configuration, an export, and a database with records."""

    folder: Path
    connection: session.Connection
    typist: "subprocess.Popen[str]"

    def typed(self, line: str, **variables: str) -> tuple[int, str]:
        """The exit code and output of a line as a shell would run it, `$NAME` replaced."""
        words = [variables.get(word.removeprefix("$"), word) for word in shlex.split(line)]
        assert self.typist.stdin is not None
        assert self.typist.stdout is not None
        self.typist.stdin.write(json.dumps(words[1:]) + "\n")
        self.typist.stdin.flush()
        answered, _, _ = select.select([self.typist.stdout], [], [], COMMAND_S)
        told = (self.folder / "typed.log").read_text(encoding="utf-8", errors="replace")
        assert answered, f"{line} did not end within {COMMAND_S} s\n{told}"
        return int(self.typist.stdout.readline()), told

    def some_tip(self) -> str:
        """A TIP that was finished, another one each time."""
        row = self.connection.execute(
            "UPDATE noggin_data SET archived = true WHERE tip = (SELECT tip FROM noggin_data"
            " WHERE processing_status = 'complete' AND NOT archived ORDER BY tip LIMIT 1)"
            " RETURNING tip"
        ).fetchone()
        assert row is not None, "the world has no finished TIP left"
        return str(row[0])

    def bury_one(self) -> None:
        """Make one dead letter, which a retry brings back."""
        self.connection.execute(
            "UPDATE noggin_data SET processing_status = 'partial', permanently_failed = true,"
            " last_error_message = 'attachment 1: http_404' WHERE tip = %s",
            (self.some_tip(),),
        )


@pytest.fixture
def world() -> Iterator[World]:
    folder = postgres.scratch() / "world"
    state = folder / "var" / "state"
    (folder / "config").mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(
            launch.running(tips=72, export=str(folder / "export.csv"), media_bytes="2000-4000")
        )
        (folder / "config" / "noggin.yaml").write_text(
            CONFIG.format(base_url=api.base_url, namespace=api.namespace, token=api.token)
        )
        stack.callback(embedded.stop, state)
        dsn = embedded.ensure_running(state, settings=postgres.FAST)
        postgres.migrate(dsn)
        connection = stack.enter_context(
            session.connect(dsn, schema=postgres.SCHEMA, application_name="tests")
        )
        typist = _started(folder, "tests.support.typist", str(folder / "typed.log"))
        stack.callback(_ended, typist)
        made = World(folder=folder, connection=connection, typist=typist)
        for line in ("noggin-mp import export.csv", "noggin-mp run --until-drained"):
            code, told = made.typed(line)
            assert code == 0, told
        yield made


def _started(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """A module of ours as a process that knows nothing of this one's environment."""
    left = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**left, "PYTHONPATH": str(markdown.ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _ended(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    with process:
        process.wait(COMMAND_S)


@pytest.mark.slow
def test_commands_that_pages_show_work(world: World) -> None:
    seen: set[str] = set()
    failed = [one for page in markdown.pages() for one in _failures(world, page, seen)]
    assert failed == []


def _failures(world: World, page: Path, seen: set[str]) -> Iterator[str]:
    """What went wrong on one page, typed from its top to its end but for lines `seen` before."""
    found = list(markdown.blocks(page, "console"))
    if not found:
        return
    world.bury_one()
    tip = world.some_tip()
    for block in found:
        if not block.commands:
            yield f"{block.place}: no line begins with a prompt"
        with contextlib.ExitStack() as stack:
            if "fleet" in block.marks:
                fleet = _started(world.folder, "noggin_mp", "-q", "run")
                stack.callback(_ended, fleet)
                world.typed("noggin-mp health --wait 240")  # a page's patience may be too short
            for line in block.commands:
                if line in seen and "fleet" not in block.marks:
                    continue
                seen.add(line)
                code, told = world.typed(line, TIP=tip)
                if code not in _allowed(block) or "Traceback" in told:
                    yield f"{block.place}: {line}: exit code {code}\n{told[-2000:]}"


def _allowed(block: markdown.Block) -> set[int]:
    """The exit codes that a block's `exit=0,1` allows; 0 alone without one."""
    told = [mark.removeprefix("exit=") for mark in block.marks if mark.startswith("exit=")]
    return {int(code) for code in (told[0] if told else "0").split(",")}


def test_marks_of_console_blocks_are_known() -> None:
    for page in markdown.pages():
        for block in markdown.blocks(page, "console"):
            unknown = [one for one in block.marks if one != "fleet" and one[:5] != "exit="]
            assert unknown == [], block.place
