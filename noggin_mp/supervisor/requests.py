"""What people of any host ask of this one, told by its monitor: obeyed once, always answered."""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from noggin_mp.domain import child

_REMEMBERED = 256
MOST_WORKERS = 512
"""Source: the upper bound of fleet.workers."""


class Verb(StrEnum):
    """What may be asked."""

    DRAIN = "drain"
    SCALE = "scale"
    RELOAD = "reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `n` is how many workers are wanted."""

    id: int
    verb: Verb
    n: int = 0
    reason: str = ""
    who: str = ""


@dataclass(slots=True, kw_only=True)
class _Known:
    verb: str
    answer: Mapping[str, Any] | None = field(default=None)


def _clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Requests:
    """Every request by its id: a monitor that died asks again, and is told again, not obeyed again.

    `send` gives an order to the monitor; False when there is none just now. `clock` is the one by
    which messages say until when a request holds: seconds that pass also while the machine sleeps.
    """

    def __init__(
        self, *, send: Callable[[child.Order], object], clock: Callable[[], float] = _clock
    ) -> None:
        self._send = send
        self._clock = clock
        self._known: OrderedDict[int, _Known] = OrderedDict()

    def take(self, message: Mapping[str, object]) -> Request | None:
        """The request in a message, if it is a new one that can be understood."""
        id_, verb, n = message.get("id"), str(message.get("verb")), message.get("n")
        if not isinstance(id_, int):
            return None
        if id_ in self._known:
            self._tell(id_)
            return None
        self._known[id_] = _Known(verb=verb)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        if verb not in list(Verb):
            self.answer(id_, ok=False, error=f"this version knows no request {verb!r}")
            return None
        until = message.get("until")
        if isinstance(until, int | float) and self._clock() > until:  # we were frozen, or too busy
            self.answer(id_, ok=False, error="heard of too late")
            return None
        count = n if isinstance(n, int) else 0
        if verb == Verb.SCALE and not 1 <= count <= MOST_WORKERS:
            self.answer(id_, ok=False, error=f"workers must be 1 to {MOST_WORKERS}, not {n}")
            return None
        reason, who = (str(message.get(name) or "") for name in ("reason", "who"))
        return Request(id=id_, verb=Verb(verb), n=count, reason=reason, who=who)

    def answer(self, id_: int, *, ok: bool, **detail: object) -> None:
        """Tell what became of a request, which may be so old that it is forgotten here."""
        known = self._known.get(id_, _Known(verb=""))
        known.answer = {"id": id_, "ok": ok, "detail": detail}
        self._send(child.Order(name=child.ANSWERED, body=known.answer))

    def reloaded(self, *, ok: bool, detail: Mapping[str, Any]) -> None:
        """A reload is over: it answers everybody who has asked for one by now."""
        for id_, known in self._known.items():
            if known.verb == Verb.RELOAD and known.answer is None:
                self.answer(id_, ok=ok, **detail)

    def _tell(self, id_: int) -> None:
        if (answer := self._known[id_].answer) is not None:
            self._send(child.Order(name=child.ANSWERED, body=answer))
