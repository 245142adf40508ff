"""An explicit-state checker: every reachable state of a small model, breadth first.

A model gives its first state, the steps that may follow a state, and the canonical form of a
state: states that differ in nothing that matters (the order of the workers, how far epochs are
apart) have one form and are visited once. Breadth first finds a shortest counterexample.
"""

import gc
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)


class Step(NamedTuple, Generic[S]):
    """What may happen next; `broken` names the law that this breaks; `fault` marks bad luck."""

    label: str
    state: S
    broken: str = ""
    fault: bool = False


class Model(Protocol[S]):
    """What the checker needs to know of a model."""

    def first(self) -> S:
        """The state it begins in."""

    def steps(self, state: S) -> Iterable[Step[S]]:
        """All that may happen in `state`."""

    def canonical(self, state: S) -> S:
        """The one form of all states that are alike."""

    def well(self, state: S) -> bool:
        """True in the states that must stay within reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a search found: the size of the space, and the first law broken with its trace."""

    states: int
    steps: int
    depth: int
    broken: str = ""
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = f"{self.states} states, {self.steps} steps, depth {self.depth}"
        if not self.broken:
            return size
        lines = [f"{number:3}. {label}" for number, label in enumerate(self.trace, 1)]
        return "\n".join([f"{self.broken} ({size})", *lines])


class TooLarge(Exception):
    """The space has more states than were allowed."""


def search(model: Model[S], *, most: int) -> Result:
    """Visit every reachable state, or stop at the first step that breaks a law.

    Where no law is broken, every state must have a way, without further faults, to one that is
    `well`: a state that has none is reported as stuck. Raises: TooLarge beyond `most` states.
    """
    found = _Space(model, most)
    collecting = gc.isenabled()
    gc.disable()  # there are no cycles to be found among a million tuples that stay
    try:
        while found.waiting():
            broken = found.expand()
            if broken is not None:
                return found.result(*broken)
    finally:
        if collecting:
            gc.enable()
    lost = found.stuck()
    return found.result() if lost is None else found.result(lost, "stuck: no way back to work")


class _Space(Generic[S]):
    def __init__(self, model: Model[S], most: int) -> None:
        first = model.canonical(model.first())
        self._model = model
        self._most = most
        self._states = [first]
        self._numbers = {first: 0}
        self._parents = [-1]
        self._depths = [0]
        self._mended: list[list[int]] = [[]]  # by target: where a step without fault comes from
        self._next = 0
        self._steps = 0

    def waiting(self) -> bool:
        return self._next < len(self._states)

    def expand(self) -> tuple[int, str] | None:
        """Take all steps of the next state; where a law is broken, that state and the law."""
        number, model = self._next, self._model
        self._next += 1
        for step in model.steps(self._states[number]):
            self._steps += 1
            if step.broken:
                return number, step.broken
            target = self._number(model.canonical(step.state), number)
            if not step.fault and target != number:
                self._mended[target].append(number)
        return None

    def _number(self, state: S, parent: int) -> int:
        known = self._numbers.setdefault(state, len(self._states))
        if known == len(self._states):
            if known >= self._most:
                raise TooLarge(f"more than {self._most} states")
            self._states.append(state)
            self._parents.append(parent)
            self._depths.append(self._depths[parent] + 1)
            self._mended.append([])
        return known

    def stuck(self) -> int | None:
        """A state from which nothing that is `well` can be reached without faults."""
        reached = [self._model.well(state) for state in self._states]
        waiting = [number for number, well in enumerate(reached) if well]
        while waiting:
            for source in self._mended[waiting.pop()]:
                if not reached[source]:
                    reached[source] = True
                    waiting.append(source)
        return reached.index(False) if False in reached else None

    def result(self, last: int | None = None, broken: str = "") -> Result:
        trace = () if last is None else tuple(self._trace(last, broken))
        return Result(
            states=len(self._states),
            steps=self._steps,
            depth=self._depths[-1],
            broken=broken,
            trace=trace,
        )

    def _trace(self, last: int, broken: str) -> Iterable[str]:
        """The labels to the broken law, each worker under one name all along."""
        path = [last]
        while self._parents[path[-1]] >= 0:
            path.append(self._parents[path[-1]])
        state = self._model.first()
        for number in reversed(path[:-1]):
            wanted = self._states[number]
            step = next(
                step
                for step in self._model.steps(state)
                if not step.broken and self._model.canonical(step.state) == wanted
            )
            state = step.state
            yield step.label
        yield from [s.label for s in self._model.steps(state) if s.broken == broken][:1]
