"""The simulator as a whole: listen, fork the serving processes, announce, wait for the end."""

import contextlib
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from noggin_mp.domain import errors
from noggin_mp.simulator import (
    behaviour,
    control,
    counters,
    data,
    export,
    journal,
    options,
    ports,
    processes,
    site,
)


def serve(asked: options.Options, *, announce: Callable[[dict[str, Any]], None]) -> int:
    """Serve until TERM or INT, then return 0.

    `announce` is called once, when every process accepts: with base_url, token, namespace,
    control_url (None without control), pid, tips. Call it from a main thread, before others start:
    it forks, and it waits for signals.

    Raises: UsageError, PortInUse, PathUnusable, and NogginError when a serving process dies.
    """
    world = asked.world()
    conduct = asked.conduct(world)
    wanted = processes.mask_signals()
    with contextlib.ExitStack() as stack:
        listener = ports.listen(asked.host, asked.port)
        stack.callback(listener.close)
        written = export.write(world, Path(asked.export)) if asked.export else None
        log = journal.open_log(Path(asked.log) if asked.log else None) if _logs(asked) else None
        shared = counters.Counters(processes=asked.processes, tips=asked.tips)
        origin = _origin(listener)
        make = _maker(asked, world, conduct, shared, log, origin)
        crew = processes.Crew(make, listener=listener, processes=asked.processes)
        stack.callback(crew.stop)
        desk_url = None
        if asked.control and log is not None:
            desk = control.Desk(world=world, conduct=conduct, shared=shared, crew=crew, log=log)
            address = stack.enter_context(_controlled(desk, asked.host))
            desk_url = address.url
        announce(_announcement(origin, conduct, desk_url, world, written))
        _wait(wanted, crew)
    return 0


def _logs(asked: options.Options) -> bool:
    return bool(asked.control or asked.log)


def _origin(listener: socket.socket) -> str:
    host, port = listener.getsockname()
    return f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared


def _maker(
    asked: options.Options,
    world: data.World,
    conduct: behaviour.Behaviour,
    shared: counters.Counters,
    log: int | None,
    origin: str,
) -> Callable[[int], site.Site]:
    def make(slot: int) -> site.Site:
        return site.Site(
            world=world,
            conduct=conduct,
            shared=shared,
            log=journal.Journal(log, slot=slot),
            origin=origin,
            slot=slot,
            processes=asked.processes,
        )

    return make


@contextlib.contextmanager
def _controlled(desk: control.Desk, host: str) -> Iterator[control.Control]:
    address = control.Control(desk, host=host)
    try:
        yield address
    finally:
        address.close()


def _announcement(
    origin: str,
    conduct: behaviour.Behaviour,
    control_url: str | None,
    world: data.World,
    written: export.Exported | None,
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "schema_version": 1,
        "base_url": origin,
        "token": conduct.token,
        "namespace": conduct.namespace,
        "control_url": control_url,
        "pid": os.getpid(),
        "tips": world.tips,
    }
    if written is not None:
        line["exports"] = [str(file.path) for file in written.files]
        line["lookups"] = {kind: str(path) for kind, path in written.lookups.items()}
    return line


def _wait(awaited: set[signal.Signals], crew: processes.Crew) -> None:
    """Return on TERM or INT. Raises: NogginError when a serving process has died."""
    while signal.sigwait(awaited) == signal.SIGCHLD:
        pid = crew.reap()
        if pid is not None:
            raise errors.NogginError(
                f"the simulator's process {pid} ended by itself",
                remedy="its message is above; start the simulator again",
            )
