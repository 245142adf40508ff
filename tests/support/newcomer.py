"""Somebody's first minutes: a folder, a YAML of their own, and the program as a real process."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Newcomer:
    """A folder with a configuration, in which the program is run."""

    def __init__(self, folder: Path, dsn: str) -> None:
        """`settings` are good ones; the API is nobody."""
        self.folder = folder
        self.dsn = dsn
        self.config = folder / "noggin.yaml"
        self.output = folder / "output"
        self.settings: dict[str, Any] = {
            "database": {"dsn": dsn},
            "api": {"base_url": "http://127.0.0.1:1", "token": "made-up", "namespace": "n"},
            "paths": {"state": str(folder / "state"), "output": str(self.output)},
            "monitor": {"bind": "off"},
        }

    def write(self, text: str | None = None, **changes: dict[str, Any]) -> None:
        """The configuration: `settings` with `changes` to sections, or `text` as it is."""
        given = {
            name: {**self.settings.get(name, {}), **changes.get(name, {})}
            for name in {**self.settings, **changes}
        }
        self.config.write_text(json.dumps(given) if text is None else text, encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        """The program with this configuration."""
        return [sys.executable, "-m", "noggin_mp", "-c", str(self.config), *words]

    @property
    def environment(self) -> dict[str, str]:
        """The environment without what tests of others left in it."""
        kept = {name: value for name, value in os.environ.items() if name != "NOGGIN_CONFIG"}
        return kept | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}

    def run(
        self, *words: str, before: Sequence[str] = (), timeout_s: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        """Run a verb to its end; `before` is a program that runs ours."""
        if not self.config.exists():
            self.write()
        return subprocess.run(
            [*before, *self.command(*words)], capture_output=True, text=True, cwd=self.folder,
            env=self.environment, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def refused(self, code: int, *words: str, before: Sequence[str] = ()) -> str:
        """The one sentence with which a verb ends with this exit code, and nothing on stdout."""
        done = self.run(*words, before=before)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.startswith("noggin-mp: "), done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.removeprefix("noggin-mp: ").rstrip("\n")

    def fault(self, code: int, *words: str) -> dict[str, Any]:
        """The error that a verb tells as JSON when it ends with this exit code."""
        done = self.run("--json", *words)
        assert done.returncode == code, done
        told: dict[str, Any] = json.loads(done.stdout)
        assert told["schema_version"] == 1
        error: dict[str, Any] = told["error"]
        assert error["exit_code"] == code
        return error
