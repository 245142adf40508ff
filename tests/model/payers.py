"""Who pays for a failure: the witness rule of `breaker_report` as a model for the checker.

Two workers, one record that is sound (it fails only where the API or a worker's own network does),
and other requests, which may testify. The API goes down and comes back, a trip may or may not come
of it, a worker's network breaks. A failure that no trip explains may be charged once all is well
again; never while it lasts, and never together with one on the other side of a trip.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.checker import Step

IN_OUTAGE = "a record was charged while nothing had been well since it failed"
ACROSS = "a record was charged for failures on both sides of a trip"
OUTAGES = 2
"""Or one illness: who fails at two workers for two reasons at once looks like a bad record."""


class Doubt(NamedTuple):
    """`breaker_doubts` of the record; which workers have succeeded since it arose.

    For the laws: which workers could have succeeded since, and whether a trip came since.
    """

    worker: int  # 2: both
    succeeded: tuple[bool, bool] = (False, False)
    well: tuple[bool, bool] = (False, False)
    tripped: bool = False


class Flight(NamedTuple):
    """A request: of the record, or another; whether it will fail; whether it begun in doubt."""

    worker: int
    record: bool
    doomed: bool
    late: bool


class World(NamedTuple):
    """Everything."""

    up: bool = True
    sick: int = -1  # the worker whose own network is broken
    outages: int = OUTAGES
    illnesses: int = 1
    doubt: tuple[Doubt, ...] = ()
    flights: tuple[Flight, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the witness rule relies on; the mutation tests switch one off at a time."""

    begun_after: bool = True
    """A witness is a request that was begun after the failure, not one that ended after it."""
    own_worker: bool = True
    """Others' successes testify only where the record failed at two workers."""
    void_on_trip: bool = True
    """A trip or a closing makes every earlier doubt void."""


class Payers:
    """The rule, with all of it or without a part."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()

    def first(self) -> World:
        """All is well, nothing is under way."""
        return World()

    def canonical(self, state: World) -> World:
        """Requests in order."""
        return state._replace(flights=tuple(sorted(state.flights)))

    def well(self, state: World) -> bool:
        """There is always a way to an API that answers and a record without a doubt."""
        return state.up and not state.doubt

    def steps(self, state: World) -> Iterator[Step[World]]:
        """All that may happen next."""
        for step in self._steps(state):
            yield step._replace(state=_noted(step.state))

    def _steps(self, state: World) -> Iterator[Step[World]]:
        yield from self._fates(state)
        for worker in (0, 1):
            if sum(one.worker == worker for one in state.flights) < 2:
                yield from self._begin(state, worker)
        for flight in dict.fromkeys(state.flights):
            yield from self._end(state, flight)

    def _fates(self, state: World) -> Iterator[Step[World]]:
        if state.up and state.outages and state.illnesses:
            doomed = tuple(one._replace(doomed=True) for one in state.flights)
            for some in (doomed, state.flights):  # answers may have left the API already
                down = state._replace(up=False, outages=state.outages - 1, flights=some)
                yield Step("the API goes down", down, fault=True)
        if not state.up:
            yield Step("the API is back", state._replace(up=True))
            kept = () if self.rules.void_on_trip else state.doubt
            doubt = tuple(one._replace(tripped=True) for one in kept)
            closed = state._replace(up=True, doubt=doubt, flights=())
            yield Step("the breaker trips, and closes when the API is back", closed)
        if state.sick < 0 and state.illnesses and state.outages == OUTAGES:
            ill = state._replace(sick=0, illnesses=0)
            yield Step("the network of worker 0 breaks", ill, fault=True)
        if state.sick >= 0:
            yield Step("the network of worker 0 is mended", state._replace(sick=-1))

    def _begin(self, state: World, worker: int) -> Iterator[Step[World]]:
        doomed = not state.up or state.sick == worker
        kinds = [False] if any(one.record for one in state.flights) else [True, False]
        for record in kinds:  # a record is leased once
            flight = Flight(worker, record, doomed, bool(state.doubt))
            what = "asks for the record" if record else "asks for something else"
            begun = state._replace(flights=(*state.flights, flight))
            yield Step(f"worker {worker} {what}", begun)

    def _end(self, state: World, flight: Flight) -> Iterator[Step[World]]:
        left = list(state.flights)
        left.remove(flight)
        after = state._replace(flights=tuple(left))
        if not flight.doomed:
            if flight.record:
                yield Step(f"worker {flight.worker} has the record", after._replace(doubt=()))
                return
            yield Step(f"worker {flight.worker} succeeds", self._testified(after, flight))
        elif not flight.record:
            yield Step(f"worker {flight.worker} fails at something else", after)
        else:
            yield self._failed(after, flight)

    def _testified(self, state: World, flight: Flight) -> World:
        if not state.doubt or (self.rules.begun_after and not flight.late):
            return state
        [doubt] = state.doubt
        succeeded = tuple(
            had or worker == flight.worker for worker, had in enumerate(doubt.succeeded)
        )
        return state._replace(doubt=(doubt._replace(succeeded=succeeded),))

    def _failed(self, state: World, flight: Flight) -> Step[World]:
        """`breaker_report` of the record: doubt, or charged by a witness."""
        label = f"worker {flight.worker} fails at the record"
        flights = tuple(one._replace(late=False) for one in state.flights)
        if not state.doubt:
            arisen = state._replace(doubt=(Doubt(flight.worker),), flights=flights)
            return Step(f"{label}: in doubt", arisen)
        [doubt] = state.doubt
        own = doubt.succeeded[flight.worker]
        others = any(doubt.succeeded) and (
            doubt.worker != flight.worker or not self.rules.own_worker
        )
        if not own and not others:
            worker = flight.worker if doubt.worker == flight.worker else 2
            again = state._replace(doubt=(doubt._replace(worker=worker),))
            return Step(f"{label}: in doubt still", again)
        charged = state._replace(doubt=(Doubt(flight.worker),), flights=flights)
        law = ACROSS if doubt.tripped else "" if doubt.well[flight.worker] else IN_OUTAGE
        return Step(f"{label}: charged", charged, law)


def _noted(state: World) -> World:
    """Who is well now has been well since."""
    doubts = []
    for doubt in state.doubt:
        first, second = (was or (state.up and state.sick != w) for w, was in enumerate(doubt.well))
        doubts.append(doubt._replace(well=(first, second)))
    return state._replace(doubt=tuple(doubts))
