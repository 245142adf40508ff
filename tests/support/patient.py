"""An installation that is well, until a test spoils it; and what the doctor says of it."""

import socket
from pathlib import Path
from typing import Any

from tests.support import fault_server
from tests.support.command import Command

_taken: list[socket.socket] = []


class Patient:
    """Folders, a database and an API that says 404 to any record."""

    def __init__(self, folder: Path, dsn: str, api: fault_server.FaultServer) -> None:
        self.folder = folder
        self.settings: dict[str, dict[str, Any]] = {
            "database": {"dsn": dsn},
            "api": {
                "base_url": api.base_url, "namespace": "n", "token": "made-up",
                "read_timeout_s": 30,
            },
            "fleet": {"workers": 2, "threads": 2},
            "attachments": {"min_free_bytes": 0},
            "monitor": {"bind": "127.0.0.1:0"},
        }  # fmt: skip
        for name in ("state", "input", "output", "log"):
            (folder / name).mkdir()

    def spoil(self, section: str, **values: object) -> None:
        """Change some keys of the configuration."""
        self.settings.setdefault(section, {}).update(values)

    def seen(self, *words: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
        """The exit code, and the findings by check."""
        command = Command(self.folder, "", **self.settings)
        done = command("doctor", "--json", *words)
        told = done.json
        assert done.err == ""
        assert told["exit_code"] == done.code
        assert told["ok"] == (done.code == 0)
        found: dict[str, list[dict[str, str]]] = {}
        for one in told["checks"]:
            found.setdefault(one["check"], []).append(one)
        return done.code, found

    def finding(self, check: str, state: str, *words: str) -> tuple[int, str, str]:
        """The exit code, and what the first finding of `check` in `state` says."""
        code, found = self.seen(*words)
        for one in found[check]:
            if one["state"] == state:
                return code, one["found"], one["remedy"]
        raise AssertionError(found[check])


def free_port() -> int:
    """A port of loopback that nobody listens on: it stays ours until this process ends."""
    _taken.append(socket.socket())
    _taken[-1].bind(("127.0.0.1", 0))
    port: int = _taken[-1].getsockname()[1]
    return port
