"""The embedded Postgres server: for whoever gives no DSN. Socket only, private, durable.

It belongs to a state folder, not to a process: any command may start or stop it at any moment,
and it outlives whoever did. Everything that changes it happens under one file lock.
"""

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from noggin_mp.domain import errors
from noggin_mp.store import binaries, embedded_layout, embedded_process
from noggin_mp.store.embedded_layout import Layout, Seat

START_TIMEOUT_S: Final = 180.0
_NO_SERVER_S: Final = 1.0  # this long without a postmaster after a launch: launch again
_GIVE_UP_S: Final = 15.0  # this long without a postmaster at all: it cannot start

_INITDB: Final = (
    "--auth=trust",  # whoever can enter the socket's folder is the owner or root
    "--encoding=UTF8",
    # The built-in provider sorts and folds the same whatever the machine's libc.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """An embedded server as it stands: `running` is true when it accepts connections."""

    running: bool
    pid: int | None
    dsn: str
    data_directory: Path
    log: Path


def ensure_running(state: Path, *, settings: Mapping[str, str] | None = None) -> str:
    """The DSN of the state folder's server, started (and first created) when it does not run.

    It accepts connections when this returns. `settings` override the server's, for tests.

    Raises: ConfigError without the wheel; PathUnusable when the folder is another user's;
    DatabaseUnreachable when the server does not come up, with the end of its log.
    """
    layout = embedded_layout.read(state)
    if layout is not None and _usable(layout):
        return layout.dsn
    settings = settings or {}
    with embedded_layout.locked(state):
        seat = embedded_layout.prepare(state)
        _initialise(seat, durable=settings.get("fsync") != "off")
        _start(seat, settings)
    return seat.layout.dsn


def stop(state: Path) -> bool:
    """True when a server was running and has been stopped: fast, and at once after 30 s.

    Raises: PathUnusable when it is another user's; DatabaseUnreachable when it would not end.
    """
    if embedded_layout.read(state) is None:
        return False
    with embedded_layout.locked(state):
        layout = embedded_layout.read(state)
        return layout is not None and embedded_process.stop(layout)


def status(state: Path) -> Status | None:
    """How the state folder's server stands; None when there never was one.

    Raises: PathUnusable when the folder is another user's.
    """
    layout = embedded_layout.read(state)
    if layout is None:
        return None
    return Status(
        running=_usable(layout),
        pid=embedded_process.postmaster(layout),
        dsn=layout.dsn,
        data_directory=layout.data,
        log=layout.log,
    )


def destroy(state: Path) -> None:
    """Stops the server and removes it with all its data, wherever they lie."""
    control = embedded_layout.control_folder(state)
    if not control.exists():
        return
    with embedded_layout.locked(state):
        layout = embedded_layout.read(state)
        if layout is not None:
            embedded_process.stop(layout, at_once=True)
            for folder in (layout.socket, layout.server, layout.server.parent):
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(control, ignore_errors=True)


def psql_path() -> Path:
    """The wheel's psql. Raises: ConfigError when the wheel is not installed."""
    return binaries.find().path("psql")


def _initialise(seat: Seat, *, durable: bool) -> None:
    """A complete data folder: made beside its place, moved there at the end."""
    data, server = seat.layout.data, seat.layout.server
    for remains in server.glob("data.*.tmp"):
        shutil.rmtree(remains, ignore_errors=True)
    if data.exists() and any(data.iterdir()):
        _check_version(data)
        return
    temporary = server / f"data.{os.getpid()}.tmp"
    initdb = seat.programs.path("initdb")
    _must([initdb, "-D", temporary, "-U", embedded_layout.ROLE, "--no-sync", *_INITDB], seat)
    if durable:
        _must([initdb, "--sync-only", "-D", temporary], seat)
    temporary.rename(data)
    descriptor = os.open(server, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_version(data: Path) -> None:
    try:
        found = (data / "PG_VERSION").read_text("utf-8").strip()
    except OSError:
        found = ""
    if found != binaries.MAJOR:
        raise errors.ConfigError(
            f"{data} holds data of Postgres {found or '(unknown version)'}, but the embedded one"
            f" is {binaries.MAJOR}",
            remedy="move that folder away, or serve it with its own Postgres and set database.dsn",
        )


def _start(seat: Seat, settings: Mapping[str, str]) -> None:
    """Launches until a server accepts connections; adopts one that is already there."""
    layout = seat.layout
    started = alive_at = time.monotonic()
    launched_at: float | None = None
    while (refusal := _refusal(layout)) is not None:
        now = time.monotonic()
        if "does not exist" in refusal and _create_database(layout):
            continue
        if embedded_process.postmaster(layout) is not None:
            alive_at = now
            if embedded_process.lost_its_socket(layout):
                embedded_process.stop(layout)
        elif launched_at is None or now - launched_at > _NO_SERVER_S:
            embedded_process.sweep(layout)
            embedded_process.launch(seat, settings)
            launched_at = time.monotonic()
        if now - alive_at > _GIVE_UP_S or now - started > START_TIMEOUT_S:
            raise errors.DatabaseUnreachable(
                f"the embedded Postgres does not start: {embedded_process.log_end(layout)}",
                remedy=f"see {layout.log}",
            )
        time.sleep(embedded_process.POLL_S)


def _usable(layout: Layout) -> bool:
    return embedded_layout.trusted(layout) and _refusal(layout) is None


def _refusal(layout: Layout) -> str | None:
    """Why the database cannot be used right now; None when it can."""
    try:
        psycopg.connect(layout.dsn, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        return str(error)
    return None


def _create_database(layout: Layout) -> bool:
    statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(embedded_layout.DATABASE))
    try:
        with psycopg.connect(
            layout.dsn, dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(statement)
    except psycopg.OperationalError:
        return False
    return True


def _must(command: Sequence[object], seat: Seat) -> None:
    done = binaries.run(command, account=seat.account)
    if done.returncode != 0:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()
        raise errors.PathUnusable(
            f"the embedded database cannot be created in {seat.layout.server}:"
            f" {said[-1] if said else f'{command[0]} ended with {done.returncode}'}",
            remedy="make room there, or choose another paths.state",
        )
