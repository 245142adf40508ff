"""HUP to a worker without a supervisor: live keys in place, the rest by its manager."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from noggin_mp.settings import schema
from noggin_mp.supervisor import alone as lone_process
from noggin_mp.supervisor import contexts, holdings, signals
from tests.supervisor.conftest import noted
from tests.support.wait import until

ALONE = """
import json, pathlib, sys
from noggin_mp.domain import errors, fleet
from noggin_mp.settings import schema
from noggin_mp.supervisor import alone, contexts
from tests.support import fleet_host
def read():
    try:
        return schema.Settings.model_validate(json.loads(pathlib.Path(sys.argv[1]).read_text()))
    except ValueError as error:
        raise errors.ConfigError(f"{sys.argv[1]}: cannot be read") from error
fleet_host.logs.configure(format="json")
worker = fleet.ChildKind.WORKER
source = contexts.Source(read=read)
sys.exit(alone.run(worker, 0, read(), fleet_host.good, source=source))
"""


class Alone:
    """A lone worker whose configuration is a file of JSON."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "noggin.json"
        self.settings: dict[str, Any] = {
            "paths": {name: str(folder / name) for name in ("state", "input", "output", "log")},
            "fleet": {"threads": 1},
        }
        self.write()
        with (folder / "stderr").open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", ALONE, str(self.file)],
                env=os.environ | {"JOURNAL": str(folder / "journal")},
                cwd=Path(__file__).resolve().parents[2],
                stderr=errors,
            )

    def write(self) -> None:
        self.file.write_text(json.dumps(self.settings))

    def notes(self, event: str) -> list[dict[str, Any]]:
        return [note for note in noted(self.folder / "journal") if note["event"] == event]

    def hup(self) -> None:
        self.process.send_signal(signal.SIGHUP)

    @property
    def log(self) -> str:
        return (self.folder / "stderr").read_text()


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[Alone]:
    made = Alone(folder)
    try:
        until(lambda: made.notes("started"), timeout_s=60)
        yield made
    finally:
        made.process.kill()
        made.process.wait(60)
        shutil.rmtree(holdings.metrics_folder(folder / "state"), ignore_errors=True)


def test_lone_worker_goes_on_with_what_is_live_and_keeps_the_old_when_it_is_wrong(
    tmp_path: Path,
) -> None:
    with alone(tmp_path) as one:
        one.settings["fleet"]["threads"] = 5
        one.write()
        one.hup()
        until(lambda: one.notes("settings"))
        one.file.write_text("{")
        one.hup()
        until(lambda: "config_rejected" in one.log and f"{one.file}: cannot be read" in one.log)

        assert [note["threads"] for note in one.notes("settings")] == [5]
        assert one.process.poll() is None


def test_lone_worker_drains_with_exit_code_0_when_another_process_is_needed(
    tmp_path: Path,
) -> None:
    with alone(tmp_path) as one:
        one.settings["paths"]["output"] = str(tmp_path / "elsewhere")
        one.write()
        one.hup()

        assert one.process.wait(60) == 0
        assert one.notes("settings") == []
        assert [note["aborting"] for note in one.notes("ended")] == [False]
        assert "config_needs_new_process" in one.log


def test_lone_worker_gives_up_by_the_grace_of_its_last_settings() -> None:
    stop = signals.Stop(life_fd=None)
    stop.patience_s = 1.0
    fresh = schema.Settings.model_validate({"fleet": {"grace_s": 77}})
    source = contexts.Source(read=lambda: fresh)
    stop._note_reload(signal.SIGHUP, None)
    orders = lone_process.Reloading(schema.Settings(), source, stop).orders()

    assert len(orders) == 1
    assert stop.patience_s == 77 + lone_process._LATE_S
