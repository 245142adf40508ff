"""More children for fleet_host: those that fail in every way, and those that listen."""

import ctypes
import importlib
import os
import signal
import threading

from noggin_mp.domain import child, fleet
from tests.support.fleet_host import EVERY_S, good, introduce, note


def without_module(context: fleet.ChildContext) -> int:
    """A damaged installation."""
    introduce(context)
    importlib.import_module("noggin_mp.no_such_module")
    return 0


def segfaulting(context: fleet.ChildContext) -> int:
    """A library that crashes, in a thread, after the child was at work."""
    introduce(context)
    context.beat(1)
    thread = threading.Thread(target=crash_in_c)
    thread.start()
    thread.join()
    return 0


def crash_in_c() -> None:
    ctypes.string_at(1)


def killed(context: fleet.ChildContext) -> int:
    """As the kernel does it for lack of memory."""
    introduce(context)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def quitting(context: fleet.ChildContext) -> int:
    """Says goodbye at once, as if all were well."""
    introduce(context)
    return 0


def half_crashing(context: fleet.ChildContext) -> int:
    """Slot 0 crashes, the others are good."""
    return segfaulting(context) if context.slot == 0 else good(context)


def stuck_thread(context: fleet.ChildContext) -> int:
    """Slot 0's first tenant beats on, but one of its threads has made no progress for long."""
    mark = f"{os.environ['JOURNAL']}.stuck"
    if context.slot != 0 or os.path.exists(mark):  # noqa: PTH110 - a name, no path
        return good(context)
    note("stuck", slot=0)
    os.close(os.open(mark, os.O_CREAT | os.O_WRONLY, 0o600))
    introduce(context)
    thread = threading.Thread(target=wait_for_ever, daemon=True)
    thread.start()
    while not context.wait(EVERY_S):
        context.beat(1, stalled_s=90.0)
    return 0


def wait_for_ever() -> None:
    threading.Event().wait()


def hard_working(context: fleet.ChildContext) -> int:
    """Does a hundred TIPs in a second."""
    introduce(context)
    done = 0
    while not context.wait(EVERY_S):
        done += 5
        context.beat(1, tips=done)
    note("ended", slot=context.slot, kind=context.kind, tips=done)
    return 0


def listening(context: fleet.ChildContext) -> int:
    """Notes when it may lease and when not."""
    introduce(context)
    may: bool | None = None
    while not context.wait(EVERY_S):
        context.beat(0)
        if may is not (now_may := context.leasing()):
            may = now_may
            note("leasing", slot=context.slot, may=may)
    return 0


def asking(context: fleet.ChildContext) -> int:
    """A monitor that hands on the requests in the journal's neighbour, and notes the answers."""
    introduce(context)
    asked = 0
    while not context.wait(EVERY_S):
        context.beat(0)
        lines = _lines(f"{os.environ['JOURNAL']}.requests")
        for line in lines[asked:]:
            number, verb, n = line.split()
            context.tell("request", {"id": int(number), "verb": verb, "n": int(n)})
        asked = len(lines)
        note_answers(context)
    note_answers(context)
    return 0


def note_answers(context: fleet.ChildContext) -> None:
    for order in context.orders():
        assert order.name == child.ANSWERED
        note("answered", answer=order.body)


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 - a name, no path
            return file.read().splitlines()
    except FileNotFoundError:
        return []
