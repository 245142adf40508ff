"""Verbs run inside the test's process: exit code, stdout, stderr, and stdout as JSON."""

import contextlib
import getpass
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.cli import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """`noggin-mp` with a configuration of its own, below `folder`."""

    def __init__(self, folder: Path, dsn: str, **settings: object) -> None:
        self.folder = folder
        self.config = folder / "noggin.yaml"
        paths = {name: str(folder / name) for name in ("state", "input", "output", "log")}
        given = {"database": {"dsn": dsn}, "api": {"namespace": "n", "token": "made-up"}}
        self.config.write_text(json.dumps(given | {"paths": paths} | settings))  # JSON is YAML

    def __call__(self, *words: str) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(["-c", str(self.config), *words])
        return Done(code=code, out=out.getvalue(), err=err.getvalue())


def init(folder: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> Done:
    """`init` of an installation in `folder`, for who runs the tests."""
    code = main.run(["init", "--dir", str(folder), "--user", getpass.getuser(), *words])
    told = capsys.readouterr()
    return Done(code=code, out=told.out, err=told.err)
