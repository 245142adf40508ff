"""How long the main loop may sleep, and what wakes it: waiting should cost next to nothing."""

import queue as queues
import threading
from typing import Any, Final

from noggin_mp.domain import outcome
from noggin_mp.domain.child import ChildContext
from noggin_mp.worker import boot

_TICK_S: Final = 1.0
_TICK_OF_DRAIN_S: Final = 0.2
_SHORTEST_S: Final = 0.001
_STOP_TURN_S: Final = 60.0


def patience_s(parts: boot.Parts, *, draining: bool) -> float:
    """Seconds until something is due that nobody tells of: results to settle, the gate's opening.

    Results of jobs, notices and the stop end a sleep early; a beat to the supervisor, a lost notice
    and orders wait for the tick.
    """
    tick_s = _TICK_OF_DRAIN_S if draining else _TICK_S
    shut_s = parts.gate.open_for(outcome.Role.API) or tick_s
    return min(tick_s, parts.buffer.due_in_s(), max(_SHORTEST_S, shut_s))


def watch_stop(context: ChildContext, inbox: "queues.SimpleQueue[Any]") -> None:
    """Wake who sleeps at `inbox` when the end is asked for; returns at once."""

    def watch() -> None:
        while not context.wait(_STOP_TURN_S):
            pass
        inbox.put(None)

    threading.Thread(target=watch, name="stop", daemon=True).start()
