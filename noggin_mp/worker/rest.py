"""How long the main loop may sleep, and what wakes it: waiting should cost next to nothing."""

import queue as queues
import threading
from typing import Any, Final

from noggin_mp.domain import child, outcome
from noggin_mp.settings.schema import Settings
from noggin_mp.worker import boot

_BUSY_TICK_S: Final = 1.0
_TICK_OF_DRAIN_S: Final = 0.2
_OFTENEST_S: Final = 0.2
_SHORTEST_S: Final = 0.001
_WATCH_TURN_S: Final = 60.0
_HEED_S: Final = 0.2


def patience_s(parts: boot.Parts, settings: Settings, *, draining: bool) -> float:
    """Seconds until something is due that nobody tells of: results to settle, the gate's opening.

    Results of jobs, notices, orders and the stop end a sleep early; a beat to the supervisor and a
    lost notice wait for the tick, which is slower for who has nothing in hand.
    """
    tick_s = child.beat_every_s(settings.fleet.watchdog_s)
    if parts.ledger.outstanding:
        tick_s = min(tick_s, _BUSY_TICK_S)
    if draining:
        tick_s = min(tick_s, _TICK_OF_DRAIN_S)
    shut_s = parts.gate.open_for(outcome.Role.API) or max(_OFTENEST_S, settings.queue.poll_s)
    return min(tick_s, parts.buffer.due_in_s(), max(_SHORTEST_S, shut_s))


def watch_orders(context: child.ChildContext, inbox: "queues.SimpleQueue[Any]") -> None:
    """Wake who sleeps at `inbox` when orders come or the end is asked for; returns at once."""

    def watch() -> None:
        while not context.rest(_WATCH_TURN_S):
            inbox.put(None)
            context.wait(_HEED_S)  # the main loop reads the orders meanwhile
        inbox.put(None)

    threading.Thread(target=watch, name="orders", daemon=True).start()
