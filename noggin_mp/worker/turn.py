"""The wait of a request that the gate allows for its slot, for as long as the gate allows it."""

import math
from collections.abc import Callable

from noggin_mp.domain import outcome
from noggin_mp.worker import pacer as pacers
from noggin_mp.worker import standing


def wait(
    pacer: pacers.Pacer,
    state: standing.Standing,
    role: outcome.Role,
    probe: str | None,
    cancelled: Callable[[], bool],
) -> float | None:
    """Until when a request, or the probe of the scope `probe`, may go; waits for its turn.

    None when it was `cancelled`, or when the gate has changed its mind meanwhile; the right to
    ask for the probe is given back then.
    """
    use_by = None
    try:
        use_by = pacer.take(
            role, cancelled=lambda: cancelled() or _turned(state, role, probe), give_up_s=math.inf
        )
    finally:
        if probe is not None and use_by is None:
            with state.lock:
                state.probing.discard(probe)
                state.lock.notify_all()
    return use_by


def _turned(state: standing.Standing, role: outcome.Role, probe: str | None) -> bool:
    with state.lock:
        now = state.clock()
        hold = state.hold(role, now)
        if hold is None or probe is None:
            return hold is not None or probe is not None
        return hold.probe != probe or hold.until > now
