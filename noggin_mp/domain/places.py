"""How many requests the whole fleet may have in flight: each worker holds a share, on a lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

TTL_S: Final = 120.0
"""A share that nobody renews is free again after it: longer than a request of the API may take."""
FRESH_S: Final = 5.0
"""A worker that has not asked for so long wants nothing just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most `limit` requests in flight in the scope."""

    scope: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a worker holds and what it wants; `fresh` when it said so lately."""

    held: int = 0
    wanted: int = 0
    fresh: bool = True


def target(cap: int, mine: Share, others: Sequence[Share]) -> int:
    """How many requests this worker may have in flight from now on; more than that run out.

    It gets what it wants as long as nobody goes short; else its part of the cap. While somebody has
    nothing, parts are rounded down, to nothing if need be: so places are passed on when there are
    fewer of them than workers.
    """
    allowed = min(mine.wanted, cap - sum(other.held for other in others))
    asking = [other for other in others if other.fresh and other.wanted > 0]
    if any(other.wanted > other.held for other in asking):
        workers = len(asking) + 1
        empty = any(other.held == 0 for other in asking)
        fair = cap // workers if empty else -(-cap // workers)
        allowed = min(allowed, max(1, fair) if mine.held == 0 else fair)
    return max(0, allowed)
