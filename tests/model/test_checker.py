"""The checker itself, on a model that fits on a hand."""

from collections.abc import Iterator

import pytest

from tests.model import checker
from tests.model.checker import Step


class Counter:
    """Counts up and down between 0 and `top`; what is broken, and what is well, is given."""

    def __init__(self, *, top: int, bad: int = -1, trap: int = -1) -> None:
        self.top, self.bad, self.trap = top, bad, trap

    def first(self) -> int:
        return 0

    def steps(self, state: int) -> Iterator[Step[int]]:
        if state < self.top:
            broken = "too high" if state + 1 == self.bad else ""
            yield Step(f"up to {state + 1}", state + 1, broken, state + 1 == self.trap)
        if 0 < state != self.trap:
            yield Step("down", state - 1)

    def canonical(self, state: int) -> int:
        return state

    def well(self, state: int) -> bool:
        return state == 0


def test_search_visits_every_state_when_no_law_is_broken() -> None:
    found = checker.search(Counter(top=5), most=100)
    assert (found.states, found.steps, found.depth, found.broken) == (6, 10, 5, "")


def test_search_tells_a_shortest_way_when_a_law_is_broken() -> None:
    found = checker.search(Counter(top=5, bad=3), most=100)
    assert (found.broken, found.trace) == ("too high", ("up to 1", "up to 2", "up to 3"))
    assert str(found).splitlines()[-1] == "  3. up to 3"


def test_search_reports_a_state_without_a_way_back() -> None:
    found = checker.search(Counter(top=3, trap=3), most=100)
    assert found.broken.startswith("stuck")
    assert found.trace == ("up to 1", "up to 2", "up to 3")


def test_search_gives_up_when_there_are_too_many_states() -> None:
    with pytest.raises(checker.TooLarge):
        checker.search(Counter(top=100), most=10)
