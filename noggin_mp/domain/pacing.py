"""How fast the whole fleet may ask: several windows at once, evenly spread, by one row.

The rule is the generic cell rate algorithm: each window has a theoretical arrival time (TAT) that
every request moves on by one interval; a request may go once the TAT is at most `burst - 1`
intervals away. Its usual form (interval = window / limit, burst = limit) lets twice the limit
through across a window's edge. Here interval and burst are chosen so that no window of the given
length, wherever it begins, holds more than the limit.

Source: ITU-T I.371, annex A (virtual scheduling).
"""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

HORIZON_S: Final = 0.5
"""A chunk begins at most so far ahead..."""
CHUNK_S: Final = 0.5
"""...and is at most so many seconds' worth of the fleet's slots."""
DECREASE: Final = 0.7
"""What an adaptive rate is multiplied by when the API shows that it is overloaded..."""
HOLD_S: Final = 5.0
"""...once in so many seconds, for all requests in flight complain together..."""
FLOOR: Final = 0.05
"""...down to this share of the configured rate."""
GROWTH_PER_S: Final = 0.1 / 60
"""An adaptive rate grows back by a tenth of the configured rate per minute."""

_LOSS = 0.035  # the share of a limit that is given up for the promise; 5 % is the most we may lose
_MOST_SLACK_S = 1.0
_LATE_SHARE = 0.4
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*/\s*(\d*)\s*(s|m|h|d)\s*")


class BadRate(ValueError):
    """A rate that cannot be read: the argument is its faulty part, empty when a window repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """At most `limit` requests in any `seconds`; how the promise is kept.

    Requests that leave up to `slack_s` after their slots are provided for: N + 1 slots in a row
    span the window and the slack. What short windows need for that, long ones have for a burst.
    """

    limit: int
    seconds: float

    @property
    def slack_s(self) -> float:
        """By how much requests may be late, in all, without breaking the promise."""
        return min(_LOSS * self.seconds, _MOST_SLACK_S)

    @property
    def burst(self) -> int:
        """Requests that may go at once after a quiet time."""
        spare = _LOSS - _MOST_SLACK_S / self.seconds
        return 1 + max(0, math.floor(self.limit * spare))

    @property
    def interval_s(self) -> float:
        """The even distance of slots."""
        return (self.seconds + self.slack_s) / (self.limit - self.burst + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The pace of one scope."""

    scope: str
    windows: tuple[Window, ...]
    adaptive: bool = False

    @property
    def slack_s(self) -> float:
        """By how much requests may be late, in all, without breaking any promise."""
        return min(window.slack_s for window in self.windows)

    @property
    def late_s(self) -> float:
        """How long after its time a slot may be used; the rest of the slack is for the way."""
        return _LATE_SHARE * self.slack_s


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The row: a TAT per window, and the latest slot given out; seconds on the row's clock."""

    windows: tuple[Window, ...]
    tats: tuple[float, ...]
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Slots given out, in order; with none, how long to wait before asking again."""

    slots: tuple[float, ...]
    wait_s: float
    state: State | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """The share of its rate that an adaptive scope had at `at`."""

    value: float = 1.0
    at: float = -math.inf


def parse(rate: str) -> tuple[Window, ...]:
    """The windows of a rate like `10/s, 1000/h`; `2.5/s` means 5 in 2 seconds.

    Raises: BadRate.
    """
    windows: dict[int, Window] = {}
    for text in rate.split(","):
        found = _PART.fullmatch(text)
        if found is None:
            raise BadRate(text.strip())
        amount, seconds = Fraction(found[1]), int(found[2] or 1) * _UNIT_S[found[3]]
        if not amount or not seconds:
            raise BadRate(text.strip())
        if seconds in windows:
            raise BadRate("")
        windows[seconds] = Window(
            limit=amount.numerator, seconds=float(seconds * amount.denominator)
        )
    return tuple(windows.values())


def reserve(
    state: State | None, windows: tuple[Window, ...], *, n: int, now: float, factor: float = 1.0
) -> Reservation:
    """Up to `n` slots from `now` on, at `factor` times the rate; all of them or none.

    None are given while the first of them would lie beyond the horizon: so chunks stay whole, the
    row is written seldom, and who wants many has no worse chance than who wants one. A scope that
    is new, or whose limit was changed, starts evenly, without a burst.
    """
    intervals = [window.interval_s / factor for window in windows]
    longest = max(intervals)
    bursts = [window.burst for window in windows]
    if state is not None and state.last > now + HORIZON_S + CHUNK_S:
        state = _set_back(state, now + HORIZON_S + CHUNK_S, factor)
    if state is None or state.windows != windows:
        start = now if state is None else max(now, state.last + longest)
        tats = [start + (b - 1) * i for b, i in zip(bursts, intervals, strict=True)]
    else:
        tats = list(state.tats)
    slots: list[float] = []
    for _ in range(max(1, min(n, math.floor(CHUNK_S / longest)))):
        free = [tat - (b - 1) * i for tat, b, i in zip(tats, bursts, intervals, strict=True)]
        slots.append(max(now, *free))
        tats = [max(tat, slots[-1]) + i for tat, i in zip(tats, intervals, strict=True)]
    if slots[0] > now + HORIZON_S:
        return Reservation(slots=(), wait_s=slots[0] - (now + HORIZON_S), state=state)
    after = State(windows=windows, tats=tuple(tats), last=slots[-1])
    return Reservation(slots=tuple(slots), wait_s=0.0, state=after)


def _set_back(state: State, end: float, factor: float) -> State:
    """The state as if its latest slot were at `end`: no honest slot is later, so the row's clock
    was set back, and nobody shall wait until it has caught up.
    """
    latest = [end + window.burst * (window.interval_s / factor) for window in state.windows]
    tats = tuple(min(tat, most) for tat, most in zip(state.tats, latest, strict=True))
    return State(windows=state.windows, tats=tats, last=end)


def factor_at(factor: Factor, now: float) -> float:
    """The share of its rate that an adaptive scope has at `now`."""
    return min(1.0, factor.value + GROWTH_PER_S * max(0.0, now - factor.at))


def slowed(factor: Factor, now: float) -> Factor:
    """What an adaptive scope has after the API complained at `now`."""
    if factor.at <= now < factor.at + HOLD_S:
        return factor
    return Factor(value=max(FLOOR, DECREASE * factor_at(factor, now)), at=now)
