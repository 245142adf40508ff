"""Where a demo lives: folders, database, configuration; and what keeps it off real data."""

import dataclasses
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from noggin_mp.cli.context import Context
from noggin_mp.domain import errors
from noggin_mp.settings.schema import Settings
from noggin_mp.store import dsn as dsns
from noggin_mp.store import embedded, schema, session
from noggin_mp.supervisor import pidfile

MARKER: Final = "demo.json"
SEED: Final = 7


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One demo. `command` is the console script with the demo's configuration."""

    settings: Settings
    dsn: str
    tips: int
    workers: int
    threads: int
    bind: str
    own_config: bool
    seed: int = SEED

    @property
    def state(self) -> Path:
        """The folder that holds the database, the configuration and the marker."""
        return self.settings.paths.state

    @property
    def config(self) -> Path:
        """The configuration the demo's commands run with."""
        return self.state / "demo.yaml"

    @property
    def export(self) -> Path:
        """The CSV export of the simulator, mixed of all types."""
        return self.settings.paths.input / "demo-export.csv"

    @property
    def log(self) -> Path:
        """The fleet's log."""
        return self.settings.paths.log / "demo.log"

    @property
    def output(self) -> Path:
        """Where records and photos go."""
        return self.settings.paths.output

    @property
    def page(self) -> str:
        """The address of the status page."""
        return f"http://{self.bind}/"

    @property
    def place(self) -> str:
        """Where the database is, for people."""
        return "embedded Postgres" if embedded_dsn(self) else session.place(self.dsn)

    @property
    def program(self) -> list[str]:
        """This program."""
        return [sys.executable, "-m", "noggin_mp"]

    @property
    def command(self) -> list[str]:
        """This program with the demo's configuration."""
        return [*self.program, "-c", str(self.config)]

    @property
    def hint(self) -> str:
        """How a person calls the program on this demo: plain where that finds it."""
        shown = "noggin-mp"
        if Path(sys.prefix, "bin", "noggin-mp").is_relative_to(Path.cwd()):
            shown = os.path.relpath(Path(sys.prefix, "bin", "noggin-mp"))
        return f"{shown} -c {os.path.relpath(self.config)}" if self.own_config else shown

    def lookups(self) -> Iterator[tuple[str, Path]]:
        """The CSV files of names that the simulator wrote, by kind."""
        folder = self.export.with_name(f"{self.export.stem}-lookups")
        for file in sorted(folder.glob("*.csv")):
            yield file.stem, file

    def write_config(self, api: dict[str, Any]) -> None:
        """The configuration of the demo's fleet, for this run of the simulator."""
        settings = {
            "database": {"dsn": self.dsn, "schema": self.settings.database.schema_name},
            "api": {
                "base_url": api["base_url"],
                "namespace": api["namespace"],
                "token": api["token"],
                "connect_timeout_s": 2,
                "read_timeout_s": 2,
                "deadline_s": 10,
            },
            "paths": {
                name: str(getattr(self.settings.paths, name))
                for name in ("state", "input", "output", "log")
            },
            "fleet": {
                "host": self.settings.fleet.host,
                "workers": self.workers,
                "threads": self.threads,
                "grace_s": 20,
            },
            "queue": {"lease_s": 60, "poll_s": 0.5},
            "retry": {"max_attempts": 12, "backoff_base_s": 0.2, "max_s": 3},
            "attachments": {"min_free_bytes": 64 * 2**20},
            "monitor": {"bind": self.bind},
            "breaker": {
                "defaults": {"open_duration_s": 2, "recovery_ramp_s": 2, "pause_default_s": 1}
            },
        }  # fmt: skip
        descriptor = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(
                "# Written by noggin-mp demo; the API in it lives only as long as the demo.\n"
            )
            json.dump(settings, file, indent=2)  # JSON is YAML
            file.write("\n")

    def report(self, code: int) -> dict[str, Any]:
        """What --json tells at the end."""
        return {
            "exit_code": code,
            "tips": self.tips,
            "seed": self.seed,
            "config": str(self.config),
            "dsn": session.redact(self.dsn),
            "output": str(self.output),
            "page": self.page,
        }


def embedded_dsn(world: World) -> bool:
    """True when the demo's database is the embedded server of its state folder."""
    found = embedded.status(world.state)
    return found is not None and found.dsn == world.dsn


def prepare(
    ctx: Context, *, tips: int, workers: int, threads: int, port: int | None, dsn: str, fresh: bool
) -> World:
    """Folders, a migrated database and a free port for a demo.

    Raises: ConfigError when the folders hold what no demo made; PathUnusable; DatabaseUnreachable.
    """
    settings = ctx.settings
    _keep_off_real_data(settings)
    running = pidfile.read_state(settings.paths.state)["pid"]
    if running is not None:
        raise errors.AlreadyRunning(
            f"a fleet (process id {running}) runs in {settings.paths.state} already",
            remedy="end it first, or run the demo in another folder",
        )
    if fresh and dsn:
        raise errors.UsageError(
            "--fresh does not empty a database given by --dsn", remedy="give an empty one"
        )
    if fresh:
        _wipe(settings)
    for folder in (settings.paths.state, settings.paths.input, settings.paths.output,
                   settings.paths.log):  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
    (settings.paths.state / MARKER).write_text(json.dumps({"seed": SEED, "tips": tips}) + "\n")
    where = dsns.resolve(dsn, settings.paths.state, start=True)
    name = settings.database.schema_name
    with session.connect(where, schema=name, application_name="noggin-mp demo") as connection:
        schema.migrate(connection, schema=name)
    return World(
        settings=settings,
        dsn=where,
        tips=tips,
        workers=workers,
        threads=threads,
        bind=f"127.0.0.1:{_free_port(settings, port)}",
        own_config=bool(dsn or settings.database.dsn),
    )


def _keep_off_real_data(settings: Settings) -> None:
    """Nothing, when the folders are new, empty, or an earlier demo's. Raises: ConfigError."""
    if (settings.paths.state / MARKER).exists():
        return
    for folder in (settings.paths.state, settings.paths.output):
        if folder.is_dir() and any(folder.iterdir()):
            raise errors.ConfigError(
                f"{folder} holds data that no demo made, and a demo must not mix with it",
                remedy="run the demo in an empty folder, or with -c FILE whose paths are elsewhere",
            )


def _wipe(settings: Settings) -> None:
    embedded.destroy(settings.paths.state)
    for folder in (settings.paths.output, settings.paths.state):
        if folder.is_dir():
            for entry in folder.iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _free_port(settings: Settings, asked: int | None) -> int:
    """The port asked for, else the configured one when it is free, else any."""
    if asked:
        return asked
    wanted = settings.monitor.address[1] if settings.monitor.address else 0
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise errors.PortInUse("no port is free on 127.0.0.1", remedy="end some listening programs")
