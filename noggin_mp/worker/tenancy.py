"""A worker's slot: taken once its predecessor has let go, with what that left; given back."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

from noggin_mp import __version__
from noggin_mp.domain import errors
from noggin_mp.domain.child import ChildContext
from noggin_mp.observe import logs
from noggin_mp.settings.schema import Settings
from noggin_mp.store import fleet, queue, session

_CLAIM_WAIT_S: Final = 20.0

log = logs.get("worker")


def take_slot(connection: session.Connection, holder: queue.Holder, context: ChildContext) -> None:
    """Hold the slot's lock; a predecessor's session may need a moment to die at the server."""
    fleet.refuse_second_instance(connection, holder=holder)
    deadline = time.monotonic() + _CLAIM_WAIT_S
    while not fleet.claim_slot(connection, holder=holder):
        context.beat(-1)
        if context.wait(0.2) or time.monotonic() > deadline:
            raise _slot_taken(connection, holder)


def _slot_taken(connection: session.Connection, holder: queue.Holder) -> errors.NogginError:
    """Why the slot cannot be had: a living worker is for a person, a lingering session for time."""
    pid = fleet.tenant(connection, holder=holder)
    if pid is not None and Path(f"/proc/{pid}").exists():
        return errors.AlreadyRunning(
            f"slot {holder.slot} of host {holder.host!r} is held by process {pid}",
            remedy="stop it, or give this one another --slot or fleet.host",
        )
    return errors.LeaseLost(
        f"a dead worker's session still holds slot {holder.slot} of host {holder.host!r}",
        remedy="the server drops it within seconds; the supervisor tries again",
    )


def move_in(connection: session.Connection, holder: queue.Holder, settings: Settings) -> int:
    """Give back what a dead predecessor held, and sign in; gives how many leases that were."""
    returned = queue.adopt(
        connection,
        holder=holder,
        max_attempts=settings.retry.max_attempts,
        backoff_s=settings.retry.backoff_base_s,
    )
    if returned.leases:
        log.warning("predecessors_leases_returned", leases=returned.leases, tips=returned.tips)
    fleet.register(connection, holder=holder, pid=os.getpid(), version=__version__)
    return returned.leases


def sign_off(pool: session.Pool, holder: queue.Holder) -> None:
    """Say that the slot's tenant has left; whoever cannot is found out by its silence."""
    with contextlib.suppress(Exception), pool.connection(timeout=2.0) as connection:
        fleet.sign_off(connection, holder=holder)
