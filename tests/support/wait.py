"""Wait on a condition with a deadline; the only waiting tests do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    predicate: Callable[[], T], *, timeout_s: float = 60.0, every_s: float = 0.02, what: str = ""
) -> T:
    """The first true value of `predicate`. Raises: AssertionError when the deadline passes.

    It is asked once more after the deadline: the machine may stand still between two looks.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() > deadline
        value = predicate()
        if value:
            return value
        if late:
            raise AssertionError(f"not within {timeout_s} s: {what or predicate}; last: {value!r}")
        time.sleep(every_s)
