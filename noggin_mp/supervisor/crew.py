"""The living children of one supervisor: forked, heard, ordered, signalled and collected."""

import contextlib
import os
import selectors
import time
from collections.abc import Callable, Iterator, Mapping

from noggin_mp.domain import child, slots
from noggin_mp.observe import logs
from noggin_mp.settings import schema
from noggin_mp.supervisor import children, contexts, holdings, pidfile

MESSAGE, EXIT = "message", "exit"
"""What the selector tells about a child: it spoke, or it may have ended."""

_WELL = frozenset(
    {
        slots.ExitReason.CLEAN,
        slots.ExitReason.DRAINED,
        slots.ExitReason.ROLLED,
        slots.ExitReason.RECYCLED,
    }
)

Heed = Callable[[slots.Slot, Mapping[str, object], float], None]

log = logs.get("supervisor")


class Crew:
    """Slots and their tenants. `heed(slot, message, now)` is called for all that children tell."""

    def __init__(
        self,
        *,
        entries: Mapping[slots.ChildKind, children.Entry],
        options: contexts.Options,
        held: holdings.Holdings,
        place: contexts.Place,
        workers: int,
        heed: Heed,
    ) -> None:
        self._entries = entries
        self._options = options
        self._held = held
        self._place = place
        self._workers = workers
        self._heed = heed
        self._boots = contexts.Boots()
        self._leasing = True
        self._said: dict[str, str] = {}
        self._tenants: dict[str, tuple[slots.Slot, children.Tenant]] = {}

    def __iter__(self) -> Iterator[slots.Slot]:
        """The slots that have a tenant."""
        yield from [slot for slot, _ in self._tenants.values()]

    def spawn(
        self, slot: slots.Slot, *, settings: schema.Settings, generation: int, now: float
    ) -> bool:
        """Fork a tenant for the slot; False when the system refused, or somebody else is in it.

        Forked all the same, it would be refused by the database, which ends the fleet.
        """
        lone = pidfile.lone_tenant(settings.paths.state, slot.name)
        if lone is not None:
            reason = f"process {lone} works in this slot by itself"
            log.error("fork_refused", child=slot.name, reason=reason)
            return False
        make_context = contexts.maker(
            slot,
            place=self._place,
            boot=self._boots.next(),
            settings=settings,
            options=self._options,
            share=self._options.share(slot.number, self._workers),
            leasing=self._leasing,
        )
        try:
            tenant = children.fork(
                self._entries[slot.kind],
                make_context,
                life_fd=self._held.life_read_fd,
                release=lambda: self._release(slot.kind),
                brief=slot.streak > 0,
            )
        except OSError as error:
            log.error("fork_refused", child=slot.name, reason=error.strerror)
            return False
        self._tenants[slot.name] = (slot, tenant)
        watch = self._held.selector.register
        watch(tenant.receiver.fd, selectors.EVENT_READ, (MESSAGE, slot.name))
        if tenant.pidfd is not None:
            watch(tenant.pidfd, selectors.EVENT_READ, (EXIT, slot.name))
        slot.spawned(now=now, pid=tenant.pid, generation=generation)
        note = log.info if slot.streak == 0 else log.debug  # its failure is told each time
        note("child_spawned", child=slot.name, child_pid=tenant.pid)
        return True

    def _release(self, kind: slots.ChildKind) -> int | None:
        """In a child: close what is the supervisor's or a sibling's."""
        for _, tenant in self._tenants.values():
            tenant.close()
        return self._held.release(keep_listener=kind is slots.ChildKind.MONITOR)

    def forsake(self) -> None:
        """In a process that is no child of the fleet: close what is the supervisor's."""
        self._release(slots.ChildKind.WORKER)

    def hear(self, name: str, now: float) -> bool:
        """Account for what a child told us; True while there may be more."""
        slot, tenant = self._tenants[name]
        told, at_end = tenant.receiver.read()
        for message in told:
            self._heed(slot, message, now)
        if at_end:
            self._unwatch(tenant.receiver.fd)
        return bool(told) and not at_end

    def collect(self, name: str, now: float) -> tuple[slots.Slot, int, slots.Exit] | None:
        """The slot, pid and exit of a child that ended, after all it had said; None if it lives."""
        slot, tenant = self._tenants[name]
        end = tenant.ended()
        if end is None:
            return None
        while self.hear(name, now):
            pass
        if stacks := tenant.stacks():
            log.error("child_stacks", child=slot.name, child_pid=tenant.pid, stacks=stacks)
        for fd in (tenant.receiver.fd, tenant.pidfd):
            self._unwatch(fd)
        tenant.close()
        del self._tenants[name]
        return slot, tenant.pid, end

    def without_pidfd(self) -> list[str]:
        """The children whose end only SIGCHLD tells, and it tells not whose."""
        return [name for name, (_, tenant) in self._tenants.items() if tenant.pidfd is None]

    def signal(self, slot: slots.Slot, sign: slots.Sign) -> None:
        """Send a signal to the slot's tenant."""
        _, tenant = self._tenants[slot.name]
        now = time.monotonic()
        if sign is slots.Sign.ABRT:
            silent_s, stalled_s = round(now - slot.beat_at, 1), slot.stalled_s
            log.error("child_hung", child=slot.name, silent_s=silent_s, stalled_s=stalled_s)
        elif sign is slots.Sign.TERM and slot.why is slots.ExitReason.RECYCLED:
            age_s, life = round(now - slot.spawned_at), slot.life
            log.info(
                "child_recycled",
                child=slot.name,
                age_s=age_s,
                tips=life.tips,
                rss_bytes=life.rss_bytes,
            )
        elif sign is slots.Sign.KILL:
            log.warning("child_killed", child=slot.name, child_pid=tenant.pid)
        tenant.signal(sign)

    def order(self, slot: slots.Slot, order: child.Order) -> bool:
        """Give the slot's tenant an order; False when it reads none, or there is no tenant."""
        found = self._tenants.get(slot.name)
        return found is not None and found[1].desk.give(order)

    def order_monitor(self, order: child.Order) -> bool:
        """Give the monitor an order; False when there is none just now."""
        monitors = [slot for slot in self if slot.kind is slots.ChildKind.MONITOR]
        return any(self.order(slot, order) for slot in monitors)

    def order_all(self, order: child.Order) -> None:
        """Give every child an order."""
        for slot, _ in self._tenants.values():
            self.order(slot, order)

    def lease(self, leasing: bool) -> None:
        """Have workers, also those to come, take new work or not."""
        self._leasing = leasing
        self.order_all(child.Order(name=child.LEASING, body=leasing))

    def failed(self, slot: slots.Slot, reason: str) -> None:
        """Remember why the slot's tenant is about to end."""
        self._said[slot.name] = reason

    def flush(self) -> None:
        """Send what waits for children that were slow to read their orders."""
        for _, tenant in self._tenants.values():
            tenant.desk.flush()

    def kill_all(self) -> None:
        """After a fault of our own: no child may outlive us."""
        for _, tenant in self._tenants.values():
            tenant.signal(slots.Sign.KILL)
        for _, tenant in self._tenants.values():
            os.waitpid(tenant.pid, 0)
            tenant.close()
        self._tenants.clear()

    def _unwatch(self, fd: int | None) -> None:
        if fd is not None:
            with contextlib.suppress(KeyError):
                self._held.selector.unregister(fd)

    def log_end(
        self, slot: slots.Slot, pid: int, end: slots.Exit, *, why: slots.ExitReason, now: float
    ) -> None:
        """Tell the log of a child's end, in one line; a parked slot needs a person."""
        parked = slot.state is slots.SlotState.PARKED
        note = log.error if parked else log.info if why in _WELL else log.warning
        more: dict[str, object] = {}
        if slot.name in self._said:
            more["reason"] = self._said.pop(slot.name)
        if slot.state is slots.SlotState.WAITING and slot.due_at > now:
            more["again_in_s"] = round(slot.due_at - now, 1)
        how, is_ = str(end), slot.state
        note("child_exited", child=slot.name, child_pid=pid, how=how, why=why, slot_is=is_, **more)
