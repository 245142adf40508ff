"""One worker or one monitor in the foreground, without a supervisor of ours above it."""

import contextlib
import faulthandler
import os
from collections.abc import Mapping
from typing import Final

from noggin_mp.domain import child, errors, fleet, slots
from noggin_mp.observe import logs
from noggin_mp.settings import diff, schema
from noggin_mp.supervisor import (
    checking,
    children,
    contexts,
    holdings,
    kernel,
    listen,
    pidfile,
    signals,
)

_MOST_BESIDE: Final = 50
_LATE_S: Final = 3.0
"""A drain that takes so much longer than fleet.grace_s hangs. A supervisor would have killed it."""

log = logs.get("supervisor")


def run(
    kind: fleet.ChildKind,
    number: int,
    settings: schema.Settings,
    entry: children.Entry,
    *,
    source: contexts.Source | None = None,
) -> int:
    """The exit code of `entry`, run here: TERM or INT drains, a second INT aborts (130).

    HUP reads the configuration from `source` again.

    Raises: AlreadyRunning when this slot has a tenant in the state folder already; PathUnusable,
    PortInUse; what `entry` raises.
    """
    state = settings.paths.state
    pidfile.prepare_folder(state)
    slot = slots.Slot(kind=kind, number=number)
    lock = _claimed(settings, slot)
    address = settings.monitor.address if kind is fleet.ChildKind.MONITOR else None
    listener = listen.bind(address) if address is not None else None
    stop = signals.Stop(life_fd=None)
    stop.install_alone(patience_s=_patience_s(settings))
    faulthandler.enable(file=2, all_threads=True)
    kernel.drain_with_supervisord()
    title = kernel.Title()
    contexts.show_title(title, kind, number, 0)
    told: dict[str, Mapping[str, object]] = {}

    def beat(busy: int, /, *, tips: int = 0, stalled_s: float = 0.0) -> None:
        contexts.show_title(title, kind, number, busy)
        if stop.reopen_asked():
            logs.reopen()

    metrics_dir, _ = holdings.claimed_metrics(state)  # until this process ends
    context = fleet.ChildContext(
        kind=kind,
        slot=number,
        boot=contexts.Boots().next(),
        instance=pidfile.instance(state),
        settings=settings,
        parent_pid=os.getppid(),
        metrics_dir=metrics_dir,
        beat=beat,
        orders=Reloading(settings, source, stop).orders,
        tell=told.__setitem__,
        stopping=stop.stopping,
        wait=stop.wait,
        rest=stop.wait,
        aborting=stop.aborting,
        listen_fd=listener.detach() if listener is not None else None,
    )
    try:
        code = entry(context)
    finally:
        lock.release()
    return fleet.EXIT_INTERRUPTED if stop.interrupted else code


def _patience_s(settings: schema.Settings) -> float:
    return settings.fleet.grace_s + _LATE_S


class Reloading:
    """What HUP orders: to take live keys over; the end, for the manager to start us anew, else."""

    def __init__(
        self, settings: schema.Settings, source: contexts.Source | None, stop: signals.Stop
    ) -> None:
        self._settings = settings
        self._source = source
        self._stop = stop

    def orders(self) -> list[child.Order]:
        """The order that follows from a HUP since the last call; for one thread."""
        if not self._stop.reload_asked() or self._source is None:
            return []
        found = checking.examine(self._settings, self._source, refused=())
        changed = [change.key for change in found.changes]
        if found.settings is None:
            log.error("config_rejected", reason=found.error)
        elif diff.whole(found.changes) in (None, diff.Liveness.LIVE):
            self._settings = found.settings
            self._source.accept(found.said)
            self._stop.patience_s = _patience_s(found.settings)
            log.info("config_applied", changed=changed)
            return [
                child.Order(name=child.SETTINGS, body={"version": 0, "settings": found.settings})
            ]
        else:
            log.warning("config_needs_new_process", changed=changed)
            self._stop.ask()
        return []


def run_beside(settings: schema.Settings, entry: children.Entry, *, first: int) -> int:
    """As `run`, for a worker beside a fleet: in the lowest free slot from `first` on.

    Slots are used again, or each such run would leave a lock and metrics of its own behind.
    """
    last = first + _MOST_BESIDE - 1
    for number in range(first, last):
        with contextlib.suppress(errors.AlreadyRunning):
            return run(fleet.ChildKind.WORKER, number, settings, entry)
    return run(fleet.ChildKind.WORKER, last, settings, entry)


def _claimed(settings: schema.Settings, slot: slots.Slot) -> pidfile.Lock:
    """The slot's lock. First locked, then looked around, as a supervisor does: so one of two that
    start at once sees the other. Raises: AlreadyRunning, PathUnusable."""
    lock = pidfile.Lock(settings.paths.state, pidfile.slot_lock(slot.name), what=slot.name)
    try:
        _refuse_supervised(settings, slot)
    except BaseException:
        lock.release()
        raise
    return lock


def _refuse_supervised(settings: schema.Settings, slot: slots.Slot) -> None:
    """A supervisor's children and lone ones would share slots, and so leases and metrics files."""
    said = pidfile.read_state(settings.paths.state)
    if said["state"] in ("stopped", "unknown"):
        return
    # One that has only just come has not told its slots yet; it will have these.
    taken = [found["slot"] for found in said["slots"]] or [*range(settings.fleet.workers)]
    if slot.kind is fleet.ChildKind.MONITOR or slot.number in taken:
        free = "" if slot.kind is fleet.ChildKind.MONITOR else f", take a --slot above {max(taken)}"
        raise errors.AlreadyRunning(
            f"the supervisor with process id {said['pid']} runs {slot.name} of this state folder",
            remedy=f"stop the supervisor{free}, or give this one another paths.state",
        )
