"""The supervisor's loop: wait, note, account, act. It holds no threads, no database, no client."""

import gc
import random
import selectors
import signal
import time
from collections.abc import Iterable, Mapping

from noggin_mp.domain import errors, fleet, slots
from noggin_mp.observe import logs, memory
from noggin_mp.settings import schema
from noggin_mp.supervisor import (
    children,
    commands,
    contexts,
    crew,
    holdings,
    kernel,
    messages,
    reload,
    telling,
)

Options = contexts.Options

TURN_S = 2.0
"""A turn takes no longer when nothing happens: systemd's watchdog hears of each."""
_WEIGH_EVERY_S = 2.0
_SIGNALS = "signals"

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
        self._weighed_at = 0.0
        limit = self._options.limit
        self._workers = min(settings.fleet.workers, limit or settings.fleet.workers)
        self._fleet = fleet.Fleet(
            rules=self._options.rules_for(settings),
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
        self._reloads = reload.Reloads(
            self._settings,
            options=self._options,
            fleet_=self._fleet,
            crew_=self._crew,
            held=self._held,
            finished=self._reloaded,
        )
        try:
            self._prepare()
            while not self._fleet.finished:
                self._turn()
            self._tell(fleet.Phase.STOPPED)
            if self._fleet.error is not None and self._fleet.exit_code != fleet.EXIT_INTERRUPTED:
                raise self._fleet.error
            return self._fleet.exit_code
        finally:
            self._crew.kill_all()
            gc.unfreeze()
            self._reloads.close()
            self._reloads.withdraw()
            holdings.forget_metrics(self._held.metrics_dir)
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
        kernel.drain_with_supervisord()
        held.title.show("noggin-mp: supervisor", short="noggin-mp")
        if self._options.prepare_metrics is not None:
            self._options.prepare_metrics(held.metrics_dir)
        self._telling = telling.Telling(held, self._settings)
        self._commands = commands.Commands(
            fleet_=self._fleet,
            crew_=self._crew,
            telling_=self._telling,
            options=self._options,
            reload=lambda now: self._reloads.ask(now),
            carry_out=self._carry_out,
        )
        self._tell(self._fleet.phase)
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
            self._commands.obey(signal.Signals(number), now)
        self._weigh(now)
        self._reloads.turn(now)
        self._carry_out(self._fleet.decide(now), now)
        self._commands.scaling.turn()
        self._crew.flush()
        self._tell(self._fleet.phase)
        self._held.notifier.alive()

    def _await(self) -> tuple[list[int], list[str], list[str]]:
        """Signals that came, children that spoke, children that may have ended."""
        due_at = self._fleet.next_at()
        wait_s = min(TURN_S, self._fleet.rules.lapse / 2, self._held.notifier.ping_s)
        if due_at is not None:
            wait_s = min(wait_s, max(due_at - time.monotonic(), 0))
        select = self._held.selector.select
        # Interrupted by a stop of this process, it gives nothing even when there is something.
        events = [key.data for key, _ in select(wait_s) or select(0)]
        noted = list(self._held.inbox.read())
        ended = [name for what, name in events if what == crew.EXIT]
        if signal.SIGCHLD in noted:  # tells not who; those with a pidfd tell it themselves
            ended += self._crew.without_pidfd()
        return noted, [name for what, name in events if what == crew.MESSAGE], ended

    def _heed(self, slot: slots.Slot, message: Mapping[str, object], now: float) -> None:
        match message["event"]:
            case "beat":
                busy = messages.busy(message)
                tips = messages.whole_number(message, "tips", default=0)
                stalled_s = messages.seconds(message, "stalled_s")
                self._fleet.beat(slot, now=now, busy=busy, tips=tips, stalled_s=stalled_s)
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
                if not self._reloads.fatal(slot, error):
                    self._fleet.told_fatal(now=now, error=error)
            case "applied":
                self._reloads.applied(slot, messages.whole_number(message, "version", default=0))
            case "failed":
                self._crew.failed(slot, str(message.get("reason") or ""))
            case "request" if slot.kind is slots.ChildKind.MONITOR:
                self._commands.request(message, now)

    def _collect(self, name: str, now: float) -> None:
        """Account for a child that ended, after all it had said."""
        found = self._crew.collect(name, now)
        if found is None:
            return
        slot, pid, end = found
        why = slot.exit_reason(end)
        self._reloads.ended(slot, end)
        self._fleet.exited(slot, now=now, exit_=end)
        self._crew.log_end(slot, pid, end, why=why, now=now)
        self._telling.gauges.ended(slot, why)

    def _weigh(self, now: float) -> None:
        """Look at the workers' memory now and then, when that is a reason to replace them."""
        if not self._fleet.rules.recycle.rss_bytes or now - self._weighed_at < _WEIGH_EVERY_S:
            return
        self._weighed_at = now
        for slot in self._crew:
            if slot.pid is not None:
                slot.life.rss_bytes = memory.resident_bytes(slot.pid)

    def _carry_out(self, actions: Iterable[fleet.Action], now: float) -> None:
        for action in actions:
            if isinstance(action, fleet.Signal):
                self._crew.signal(action.slot, action.sign)
            elif not self._crew.spawn(
                action.slot,
                settings=self._reloads.settings,
                generation=self._fleet.generation,
                now=now,
            ):
                self._fleet.spawn_failed(action.slot, now=now)

    def _reloaded(self, ok: bool, detail: Mapping[str, object], *, more: bool) -> None:
        """A reload is over; with `more`, another one answers those who have asked."""
        self._telling.gauges.reloaded(valid=ok)
        if not more:
            self._commands.requests.reloaded(ok=ok, detail=detail)

    def _tell(self, phase: fleet.Phase) -> None:
        self._telling.tell(
            self._fleet,
            phase=phase,
            config=self._reloads.said,
            leasing=self._commands.leasing,
        )
