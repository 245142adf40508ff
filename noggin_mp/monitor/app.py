"""A monitor's life: listen, sample, keep house, and tell the supervisor when a run is drained."""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

import psycopg

from noggin_mp.domain import errors
from noggin_mp.domain.child import ChildContext
from noggin_mp.gateway import files
from noggin_mp.monitor import maintenance, pages, samples
from noggin_mp.observe import logs, metrics
from noggin_mp.settings.schema import Settings
from noggin_mp.store import dsn, place, queue, session

_TURN_S: Final = 0.25
_SPACE_S: Final = 5.0

log = logs.get("monitor")


def main(context: ChildContext) -> int:
    """The entry of a monitor process: 0 when stopped. Raises: NogginError from the boot."""
    settings = context.settings
    assert isinstance(settings, Settings)
    logs.configure(level=settings.log.level, format=settings.log.format)
    logs.bind(worker="monitor")
    where = place.Place(
        dsn=dsn.resolve(settings.database.dsn, settings.paths.state, start=True),
        schema_name=settings.database.schema_name,
        application_name=f"noggin-mp/{settings.fleet.host}/monitor",
    )
    with where.checked() as connection:
        tokens = [row[0] for row in connection.execute("SELECT token FROM lease").fetchall()]
    return Monitor(context, settings, where).run(living_tokens=tokens)


class Monitor:
    """Threads for the chores, the samples and the pages; the main thread beats and watches."""

    def __init__(self, context: ChildContext, settings: Settings, where: place.Place) -> None:
        self._context = context
        self._settings = settings
        self._where = where
        self._drain: session.Connection | None = None
        self._meters = metrics.Metrics(
            slot="monitor", directory=context.metrics_dir, host=settings.api.host
        )
        self._sampler = samples.Sampler(
            connect=lambda: where.connect("samples"), stopping=context.stopping, wait=context.wait
        )
        self._chores = maintenance.Maintenance(
            connect=lambda name: where.connect(name, statement_timeout_s=60),
            holder=queue.Holder(
                host=settings.fleet.host, slot=-1, instance=context.instance, boot=context.boot
            ),
            max_attempts=settings.retry.max_attempts,
            backoff_s=settings.retry.backoff_base_s,
            meters=self._meters,
            stopping=context.stopping,
            wait=context.wait,
        )
        self._server = pages.Server(
            sampler=self._sampler,
            settings=settings,
            metrics_dir=context.metrics_dir,
            stopping=context.stopping,
        )

    def run(self, *, living_tokens: list[int]) -> int:
        """Until stopped. Gives the exit code."""
        threads = [
            self._thread("maintenance", self._chores.run),
            self._thread("samples", self._sampler.run),
            self._thread("sweep", lambda: self._sweep(living_tokens)),
        ]
        if self._context.listen_fd is not None:
            self._server.start(self._context.listen_fd)
        log.info("monitor_started", pid=os.getpid())
        next_space = 0.0
        while not self._context.stopping():
            self._context.beat(0)
            if time.monotonic() >= next_space:
                self._measure_space()
                next_space = time.monotonic() + _SPACE_S
            if self._context.until_drained:
                self._tell_when_drained()
            self._context.wait(_TURN_S)
        self._server.stop()
        for thread in threads:
            thread.join(2.0)
        log.info("monitor_stopped")
        return 0

    def _thread(self, name: str, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def _sweep(self, living_tokens: list[int]) -> None:
        """Remove what dead writers left half written; living leases and newer files are spared."""
        try:
            removed = files.sweep(
                self._settings.paths.output,
                keep=frozenset(living_tokens),
                older_than=self._context.boot / 1e9,
            )
        except errors.LocalTrouble as error:
            log.warning("sweep_failed", error=str(error))
            return
        if removed:
            log.info("partial_files_swept", files=removed)

    def _measure_space(self) -> None:
        try:
            self._meters.storage_free(files.free_bytes(self._settings.paths.output))
        except errors.LocalTrouble as error:
            log.debug("space_unknown", error=str(error))

    def _tell_when_drained(self) -> None:
        try:
            if self._drain is None or self._drain.closed:
                self._drain = self._where.connect("drain")
            state = queue.drain_state(
                self._drain,
                horizon_s=self._context.horizon_s,
                age_s=process_age_s(self._context.parent_pid),
            )
        except (psycopg.Error, errors.DatabaseUnreachable) as error:
            log.debug("drain_unknown", error=str(error).splitlines()[0])
            return
        if state.drained:
            log.info("queue_drained", dead_letters=state.dead_since)
            self._context.tell("drained", {"exit_code": 1 if state.dead_since else 0})
            self._context.wait(3600.0)


def process_age_s(pid: int) -> float:
    """How long a process of this machine has been running, in seconds."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
