"""The supervisor's loop: wait, note, account, act. It holds no threads, no database, no client."""

import dataclasses
import gc
import random
import selectors
import signal
import time
from collections.abc import Iterable, Mapping

from noggin_mp.domain import errors, fleet, slots
from noggin_mp.observe import logs
from noggin_mp.settings import schema
from noggin_mp.supervisor import (
    children,
    contexts,
    crew,
    holdings,
    kernel,
    messages,
    reload,
    report,
)

Options = contexts.Options

TURN_S = 1.0
"""A turn takes no longer when nothing happens: systemd's watchdog hears of each."""
_SIGNALS = "signals"

_LOGGED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)

log = logs.get("supervisor")


class Supervisor:
    """Forks, waits, signals and accounts for one monitor and N workers.

    The entries are called in children as `entry(context) -> exit code`.
    """

    def __init__(
        self,
        settings: schema.Settings,
        *,
        worker_entry: children.Entry,
        monitor_entry: children.Entry,
        options: Options | None = None,
    ) -> None:
        self._settings = settings
        self._options = options or Options()
        self._entries = {
            slots.ChildKind.WORKER: worker_entry,
            slots.ChildKind.MONITOR: monitor_entry,
        }
        self._config_error: str | None = None
        self._phase = fleet.Phase.STARTING
        limit = self._options.limit
        self._workers = min(settings.fleet.workers, limit or settings.fleet.workers)
        self._fleet = fleet.Fleet(
            rules=self._rules(settings),
            workers=self._workers,
            jitter=random.SystemRandom().random,
            until_drained=self._options.until_drained,
            finite=limit is not None,
        )

    @property
    def reason(self) -> str:
        """Why the fleet ended, as a sentence."""
        return self._fleet.reason

    def run(self) -> int:
        """Run the fleet to its end and give its exit code.

        Raises: AlreadyRunning, PathUnusable, PortInUse, LocalTrouble, before anything is forked;
        what ended the fleet, when that was a fault that no trying again could heal.
        """
        self._held = holdings.Holdings(self._settings)
        self._crew = self._crew_of(self._held)
        try:
            self._prepare()
            while not self._fleet.finished:
                self._turn()
            self._publish(fleet.Phase.STOPPED)
            log.info("fleet_stopped", exit_code=self._fleet.exit_code, reason=self._fleet.reason)
            if self._fleet.error is not None and self._fleet.exit_code != fleet.EXIT_INTERRUPTED:
                raise self._fleet.error
            return self._fleet.exit_code
        finally:
            self._crew.kill_all()
            gc.unfreeze()
            self._held.close()

    def _crew_of(self, held: holdings.Holdings) -> crew.Crew:
        place = contexts.Place(
            instance=held.instance, metrics_dir=held.metrics_dir, title=held.title
        )
        return crew.Crew(
            entries=self._entries,
            options=self._options,
            held=held,
            place=place,
            workers=self._workers,
            heed=self._heed,
        )

    def _prepare(self) -> None:
        """All that must be done once, before the first fork."""
        held = self._held
        self._report = report.Report(self._settings.paths.state, listening=held.listening)
        kernel.drain_with_supervisord()
        held.title.show("noggin-mp: supervisor", short="noggin-mp")
        self._publish(self._fleet.phase)
        if self._options.prepare_metrics is not None:
            self._options.prepare_metrics(held.metrics_dir)
        held.selector.register(held.inbox.fd, selectors.EVENT_READ, (_SIGNALS, ""))
        log.info("fleet_starting", workers=self._fleet.target, listening=held.listening)
        gc.collect()
        gc.freeze()  # what exists now is never collected, so its pages stay shared with children

    def _turn(self) -> None:
        """One turn: wait, read what came, collect who ended, do what is due, say how we are."""
        noted, speakers, ended = self._await()
        now = time.monotonic()
        for name in speakers:
            self._crew.hear(name, now)
        for name in ended:
            self._collect(name, now)
        for number in noted:
            self._obey(signal.Signals(number), now)
        self._carry_out(self._fleet.decide(now), now)
        self._crew.flush()
        self._note_phase()
        self._publish(self._fleet.phase)
        self._held.notifier.alive()

    def _await(self) -> tuple[list[int], list[str], list[str]]:
        """Signals that came, children that spoke, children that may have ended."""
        due_at = self._fleet.next_at()
        wait_s = TURN_S if due_at is None else min(TURN_S, max(due_at - time.monotonic(), 0))
        events = [key.data for key, _ in self._held.selector.select(wait_s)]
        noted = list(self._held.inbox.read())
        ended = [name for what, name in events if what == crew.EXIT]
        if signal.SIGCHLD in noted:  # tells not who; those with a pidfd tell it themselves
            ended += self._crew.without_pidfd()
        return noted, [name for what, name in events if what == crew.MESSAGE], ended

    def _heed(self, slot: slots.Slot, message: Mapping[str, object], now: float) -> None:
        match message["event"]:
            case "beat":
                busy = messages.whole_number(message, "busy", default=0)
                self._fleet.beat(slot, now=now, busy=busy)
            case "drained":
                code = messages.whole_number(message, "exit_code", default=0)
                self._fleet.told_drained(now=now, exit_code=code)
            case "auth_stop":
                self._fleet.told_auth_stop(now=now)
            case "local_trouble":
                self._fleet.told_local_trouble(now=now, error=errors.unpacked(message))
            case "fatal":
                error = errors.unpacked(message, prefix=f"{slot.name} cannot work: ")
                log.error("child_unable", child=slot.name, reason=str(error))
                self._fleet.told_fatal(now=now, error=error)

    def _collect(self, name: str, now: float) -> None:
        """Account for a child that ended, after all it had said."""
        found = self._crew.collect(name, now)
        if found is None:
            return
        slot, pid, end = found
        asked = slot.state is slots.SlotState.DRAINING
        self._fleet.exited(slot, now=now, exit_=end)
        crew.log_end(slot, pid, end, asked=asked)

    def _obey(self, number: signal.Signals, now: float) -> None:
        """Act on a signal that was noted; CHLD is dealt with elsewhere, others need nothing."""
        if number in _LOGGED:
            log.info("signal_received", signal=number.name)
        resizable = self._options.limit is None
        match number:
            case signal.SIGTERM:
                self._fleet.drain(now=now, exit_code=0, reason="asked by SIGTERM")
            case signal.SIGINT:
                self._carry_out(self._fleet.interrupted(now=now), now)
            case signal.SIGQUIT:
                self._carry_out(self._fleet.abort(now=now), now)
            case signal.SIGHUP:
                self._reload(now)
            case signal.SIGUSR2:
                self._dump(now)
            case signal.SIGTTIN if resizable:
                self._fleet.resize(self._fleet.target + 1, now=now)
            case signal.SIGTTOU if resizable:
                self._fleet.resize(max(1, self._fleet.target - 1), now=now)

    def _carry_out(self, actions: Iterable[fleet.Action], now: float) -> None:
        for action in actions:
            if isinstance(action, fleet.Signal):
                self._crew.signal(action.slot, action.sign)
            elif not self._crew.spawn(
                action.slot, settings=self._settings, generation=self._fleet.generation, now=now
            ):
                self._fleet.spawn_failed(action.slot, now=now)

    def _reload(self, now: float) -> None:
        """Read the configuration again; a valid one reaches the children one after another."""
        if self._fleet.phase is fleet.Phase.DRAINING or self._options.reload is None:
            return
        self._held.notifier.reloading()
        fresh, self._config_error = reload.read(self._settings, self._options.reload)
        if fresh is not None:
            self._settings = fresh
            if self._options.limit is None:
                self._fleet.resize(fresh.fleet.workers, now=now)
            self._fleet.roll(now=now, rules=self._rules(fresh))
            log.info("config_applied", workers=self._fleet.target)
        self._held.notifier.ready(self._config_error or "configuration applied")

    def _rules(self, settings: schema.Settings) -> slots.Rules:
        return dataclasses.replace(
            self._options.rules,
            grace_s=settings.fleet.grace_s,
            watchdog_s=settings.fleet.watchdog_s,
        )

    def _note_phase(self) -> None:
        """Tell the log and systemd of a change of the whole fleet's state."""
        phase = self._fleet.phase
        if phase is self._phase:
            return
        self._phase = phase
        if phase is fleet.Phase.RUNNING:
            log.info("fleet_running", workers=self._fleet.target)
            self._held.notifier.ready(f"{self._fleet.target} workers")
        elif phase is fleet.Phase.DRAINING:
            log.info("fleet_draining", reason=self._fleet.reason, exit_code=self._fleet.exit_code)
            self._held.notifier.stopping(self._fleet.reason)

    def _publish(self, phase: fleet.Phase) -> None:
        self._report.publish(fleet_=self._fleet, phase=phase, config_error=self._config_error)

    def _dump(self, now: float) -> None:
        beats = {
            s.name: {"busy": s.busy, "silent_s": round(now - s.beat_at, 1)} for s in self._fleet
        }
        log.info("state_dumped", fleet=self._report.said, beats=beats)
