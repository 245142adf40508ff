"""One worker or one monitor in the foreground, without a supervisor of ours above it."""

import faulthandler
import os
from collections.abc import Mapping

from noggin_mp.domain import errors, fleet, slots
from noggin_mp.observe import logs
from noggin_mp.settings import schema
from noggin_mp.supervisor import children, contexts, holdings, kernel, listen, pidfile, signals

log = logs.get("supervisor")


def run(
    kind: fleet.ChildKind, number: int, settings: schema.Settings, entry: children.Entry
) -> int:
    """The exit code of `entry`, run here: TERM or INT drains, a second INT aborts (130).

    Raises: AlreadyRunning when this slot has a tenant in the state folder already; PathUnusable,
    PortInUse; what `entry` raises.
    """
    state = settings.paths.state
    pidfile.prepare_folder(state)
    slot = slots.Slot(kind=kind, number=number)
    _refuse_supervised(settings, slot)
    lock = pidfile.Lock(state, f"{slot.name.replace(' ', '-')}.lock", what=slot.name)
    address = settings.monitor.address if kind is fleet.ChildKind.MONITOR else None
    listener = listen.bind(address) if address is not None else None
    stop = signals.Stop(life_fd=None)
    stop.install_alone()
    faulthandler.enable(file=2, all_threads=True)
    kernel.drain_with_supervisord()
    title = kernel.Title()
    contexts.show_title(title, kind, number, 0)
    told: dict[str, Mapping[str, object]] = {}
    context = fleet.ChildContext(
        kind=kind,
        slot=number,
        boot=contexts.Boots().next(),
        instance=pidfile.instance(state),
        settings=settings,
        parent_pid=os.getppid(),
        metrics_dir=holdings.metrics_folder(state),
        beat=lambda busy: contexts.show_title(title, kind, number, busy),
        tell=told.__setitem__,
        stopping=stop.stopping,
        wait=stop.wait,
        aborting=stop.aborting,
        listen_fd=listener.detach() if listener is not None else None,
    )
    try:
        code = entry(context)
    finally:
        lock.release()
    return fleet.EXIT_INTERRUPTED if stop.interrupted else code


def _refuse_supervised(settings: schema.Settings, slot: slots.Slot) -> None:
    """A supervisor's children and lone ones would share slots, and so leases and metrics files."""
    said = pidfile.read_state(settings.paths.state)
    if said["state"] in ("stopped", "unknown"):
        return
    taken = [found["slot"] for found in said["slots"]]
    if slot.kind is fleet.ChildKind.MONITOR or slot.number in taken:
        free = "" if slot.kind is fleet.ChildKind.MONITOR else f", take a --slot above {max(taken)}"
        raise errors.AlreadyRunning(
            f"the supervisor with process id {said['pid']} runs {slot.name} of this state folder",
            remedy=f"stop the supervisor{free}, or give this one another paths.state",
        )
