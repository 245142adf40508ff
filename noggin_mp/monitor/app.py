"""A monitor's life: listen, sample, keep house, and tell the supervisor when a run is drained."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from noggin_mp import __version__
from noggin_mp.domain import child, errors
from noggin_mp.domain.child import ChildContext
from noggin_mp.gateway import files
from noggin_mp.monitor import maintenance, notices, pages, presence, samples, surroundings
from noggin_mp.observe import logs, metrics
from noggin_mp.settings import catalogue, secrets, shared
from noggin_mp.settings.schema import Settings
from noggin_mp.store import drain, dsn, place, queue, requests, session, sessions, trouble

_DRAIN_TURN_S: Final = 0.5
_UPKEEP_DEADLINE_S: Final = 60.0
_DATABASE_AGAIN_S: Final = 2.0

log = logs.get("monitor")


def main(context: ChildContext) -> int:
    """The entry of a monitor process: 0 when stopped.

    A database that is away is waited for: that is what /healthz must be able to tell.
    Raises: NogginError from the boot.
    """
    settings = context.settings
    assert isinstance(settings, Settings)
    logs.configure(**settings.log_options)
    logs.bind(worker="monitor")
    where = place.Place(
        dsn=dsn.resolve(settings.database.dsn, settings.paths.state, start=True),
        schema_name=settings.database.schema_name,
        application_name=f"noggin-mp/{settings.fleet.host}/monitor",
        patience_s=place.patience_s(settings.fleet.watchdog_s),
    )
    return Monitor(context, settings, where).run()


class Monitor:
    """Threads for the chores, the samples and the pages; the main thread beats and watches."""

    def __init__(self, context: ChildContext, settings: Settings, where: place.Place) -> None:
        self._context = context
        self._settings = settings
        self._where = where
        self._drain: session.Connection | None = None
        self._told = False
        self._failure: Exception | None = None
        types = catalogue.of(settings)
        self._meters = metrics.Metrics(
            slot="monitor", directory=context.metrics_dir, host=settings.api.host
        )
        self._sampler = samples.Sampler(
            connect=lambda: where.connect("samples", statement_timeout_s=samples.DEADLINE_S),
            stopping=context.stopping,
            wait=context.wait,
        )
        self._chores = maintenance.Maintenance(
            connect=lambda name: where.connect(name, statement_timeout_s=_UPKEEP_DEADLINE_S),
            holder=queue.Holder(
                host=settings.fleet.host, slot=-1, instance=context.instance, boot=context.boot
            ),
            max_attempts=settings.retry.max_attempts,
            backoff_s=settings.retry.backoff_base_s,
            meters=self._meters,
            stopping=context.stopping,
            wait=context.wait,
        )
        self._presence = self._presence_of(context, settings)
        self._surroundings = surroundings.Surroundings(
            output=settings.paths.output,
            read_token=lambda: secrets.read_token(settings),
            stopping=context.stopping,
            wait=context.wait,
        )
        self._notices = notices.Notifier(
            connect=lambda name: where.connect(name, statement_timeout_s=samples.DEADLINE_S),
            sampler=self._sampler,
            leading=lambda: self._chores.leading,
            notify=lambda: self._settings.notify,
            host=settings.fleet.host,
            stopping=context.stopping,
            wait=context.wait,
        )
        self._server = pages.Server(
            sampler=self._sampler,
            surroundings=self._surroundings,
            settings=settings,
            types=types.by_code,
            metrics_dir=context.metrics_dir,
            supervisor_pid=context.parent_pid,
        )

    def run(self) -> int:
        """Until stopped. Gives the exit code. Raises: what ended one of the threads."""
        threads = [
            self._thread("maintenance", self._chores.run),
            self._thread("notices", self._notices.run),
            self._thread("presence", self._presence.run),
            self._thread("samples", self._sampler.run),
            self._thread("sweep", self._sweep),
            self._thread("surroundings", self._surroundings.run),
        ]
        if self._context.listen_fd is not None:
            listening = self._server.listening(self._context.listen_fd)
            threads.append(self._thread("http", lambda: self._server.serve(listening)))
        log.info("monitor_started", pid=os.getpid())
        while not self._context.stopping():
            self._context.beat(0)
            if self._failure is not None:  # somebody must promote and reap: let a new monitor try
                raise self._failure
            if self._context.until_drained and not self._told:
                self._tell_when_drained()
            self._heed_orders()
            self._context.rest(self._turn_s())
        self._heed_orders()
        self._presence.close()
        self._server.stop()
        for thread in threads:
            thread.join(2.0)
        log.info("monitor_stopped")
        return 0

    def _turn_s(self) -> float:
        """The next turn looks whether the queue is drained, or only beats."""
        turn_s = child.beat_every_s(self._settings.fleet.watchdog_s)
        return min(turn_s, _DRAIN_TURN_S) if self._context.until_drained else turn_s

    def _presence_of(self, context: ChildContext, settings: Settings) -> presence.Presence:
        """This host's presence in the fleet; a lone monitor has no supervisor to speak for."""
        lone = context.orders_fd is None
        pid = os.getpid() if lone else context.parent_pid
        return presence.Presence(
            connect=lambda name: self._where.connect(name, statement_timeout_s=samples.DEADLINE_S),
            who=requests.Identity(
                host=settings.fleet.host,
                instance=context.instance,
                version=__version__,
                output=str(settings.paths.output),
            ),
            facts=lambda: {
                **presence.supervisor_facts(settings.paths.state, pid),
                "policy": shared.told(self._settings),  # as of now: a reload changes it
            },
            age_s=lambda: process_age_s(pid),
            tell=None if lone else context.tell,
            stopping=context.stopping,
            wait=context.wait,
        )

    def _heed_orders(self) -> None:
        """Act on what the supervisor ordered since the last turn."""
        for order in self._context.orders():
            if order.name == child.ANSWERED:
                self._presence.heard(order.body)
            elif order.name == child.SETTINGS and isinstance(order.body, Mapping):
                self._take_over(order.body["settings"])
                self._context.tell("applied", {"version": order.body["version"]})

    def _take_over(self, fresh: Settings) -> None:
        """Go by other settings from now on; threads ask for them when they need them."""
        logs.configure(**fresh.log_options)
        self._settings = fresh
        self._chores.configure(
            max_attempts=fresh.retry.max_attempts, backoff_s=fresh.retry.backoff_base_s
        )
        self._server.configure(fresh)
        self._surroundings.read_token = lambda: secrets.read_token(fresh)

    def _thread(self, name: str, target: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(target,), name=name, daemon=True)
        thread.start()
        return thread

    def _guarded(self, target: Callable[[], None]) -> None:
        try:
            target()
        except Exception as error:
            self._failure = error

    def _sweep(self) -> None:
        """Remove what dead writers left half written; living leases and newer files are spared."""
        found = self._living_tokens()
        if found is None:
            return
        living, issued = found
        try:
            removed = files.sweep(
                self._settings.paths.output,
                keep=living,
                older_than=self._context.boot / 1e9,
                issued=issued,  # on shared storage another host's clock may be hours away from ours
            )
        except errors.LocalTrouble as error:
            log.warning("sweep_failed", error=str(error))
            return
        if removed:
            log.info("partial_files_swept", files=removed)

    def _begin_session(self, connection: session.Connection) -> None:
        """Write that the run has begun; a lone monitor is no run."""
        if name := self._context.options.get("session"):
            sessions.begin(
                connection,
                host=self._settings.fleet.host,
                name=str(name),
                instance=self._context.instance,
                version=__version__,
            )

    def _living_tokens(self) -> tuple[frozenset[int], int] | None:
        """The tokens of all leases and the last one issued; None when stopped before.

        Raises: SchemaError, ConfigError when it is not one that we can work with.
        """
        note = log.warning
        while not self._context.stopping():
            try:
                with self._where.checked("sweep") as connection:
                    self._begin_session(connection)
                    return queue.tokens(connection)
            except trouble.AWAY as error:
                note("database_awaited", error=str(error).splitlines()[0])
                note = log.debug  # once is enough
                self._context.wait(_DATABASE_AGAIN_S)
        return None

    def _tell_when_drained(self) -> None:
        try:
            if self._drain is None or self._drain.closed:
                self._drain = self._where.connect(
                    "drain",  # by the thread that beats
                    statement_timeout_s=min(samples.DEADLINE_S, self._where.patience_s),
                )
            state = drain.state(
                self._drain,
                horizon_s=self._context.horizon_s,
                age_s=process_age_s(self._context.parent_pid),
            )
        except trouble.AWAY as error:
            log.debug("drain_unknown", error=str(error).splitlines()[0])
            return
        if state.drained:
            log.info("queue_drained", dead_letters=state.dead_since)
            self._notices.last_words()
            self._context.tell("drained", {"exit_code": 1 if state.dead_since else 0})
            self._told = True


def process_age_s(pid: int) -> float:
    """How long a process of this machine has been running, in seconds."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            ticks = int(file.read().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
