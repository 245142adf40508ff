"""Requests for so many workers, until they are met: each is told when it is, or cannot be any more.

The last word about the number of workers counts. Whoever had asked for another number hears at
once who had that word, instead of waiting for workers that nobody wants now.
"""

from typing import Protocol

from noggin_mp.domain import fleet, slots

_RELOAD = "a reload, after which fleet.workers counts again"


class Answer(Protocol):
    """Tells what became of the request with this id."""

    def __call__(self, id_: int, *, ok: bool, **detail: object) -> None:
        """`detail` is for people and for whoever asked."""


class Scaling:
    """The requests whose number of workers is not reached yet."""

    def __init__(self, fleet_: fleet.Fleet, *, answer: Answer) -> None:
        self._fleet = fleet_
        self._answer = answer
        self._wanted: dict[int, int] = {}

    def wants(self, id_: int, workers: int, *, who: str) -> None:
        """This request has just had its way: those for another number are overtaken by it."""
        told = f"request {id_} for {workers} workers" + (f" by {who}" if who else "")
        self.overtaken(told, id_)
        self._wanted[id_] = workers

    def overtaken(self, by: str = _RELOAD, by_id: int | None = None) -> None:
        """Tell whoever wanted another number than the fleet has as its target now."""
        more = {} if by_id is None else {"overtaken_by": by_id}
        for id_ in [id_ for id_, n in self._wanted.items() if n != self._fleet.target]:
            del self._wanted[id_]
            self._answer(id_, ok=False, result="overtaken", error=f"overtaken by {by}", **more)

    def turn(self) -> None:
        """Answer who can be answered by now."""
        if not self._wanted:
            return
        if self._fleet.phase is fleet.Phase.DRAINING:
            self.overtaken("the end of this fleet")
            return
        self.overtaken()
        workers = [slot for slot in self._fleet if slot.kind is slots.ChildKind.WORKER]
        parked = next((one for one in workers if one.state is slots.SlotState.PARKED), None)
        if parked is not None:
            self._tell(ok=False, result="parked", error=f"{parked.name} fails, and is parked")
        elif all(one.wanted and one.live and one.at_work for one in workers):
            self._tell(ok=True, workers=self._fleet.target)

    def _tell(self, *, ok: bool, **detail: object) -> None:
        """Answer all that are left: they want the same."""
        for id_ in list(self._wanted):
            del self._wanted[id_]
            self._answer(id_, ok=ok, **detail)
