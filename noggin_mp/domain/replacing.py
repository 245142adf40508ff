"""Whose turn it is to be replaced while the fleet works: one at a time, whatever the cause."""

from collections.abc import Iterable

from noggin_mp.domain import recycling, slots


def candidate(
    fleet: Iterable[slots.Slot], *, generation: int, recycle: recycling.Limits | None, now: float
) -> tuple[slots.Slot, slots.ExitReason] | None:
    """The next tenant to replace, and why; None while a wanted worker is not at work.

    Those with older settings than `generation` come first, in the order of `fleet`; then workers
    that have outlived `recycle` (None: nobody is recycled).
    """
    everyone = list(fleet)
    workers = [slot for slot in everyone if slot.kind is slots.ChildKind.WORKER]
    if any(slot.wanted and slot.state not in slots.SETTLED for slot in workers):
        return None
    for slot in everyone:
        if slot.state in slots.WORKING and slot.generation < generation:
            return slot, slots.ExitReason.ROLLED
    for slot in workers if recycle is not None else ():
        if recycle is not None and outlived(slot, recycle, now) is not None:
            return slot, slots.ExitReason.RECYCLED
    return None


def outlived(slot: slots.Slot, limits: recycling.Limits, now: float) -> str | None:
    """Why the slot's tenant should make room for a fresh one, or None."""
    if slot.state is not slots.SlotState.RUNNING:
        return None
    return recycling.due(limits, slot.life, age_s=now - slot.spawned_at)
