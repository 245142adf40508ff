"""When a worker has lived long enough to be replaced by a fresh one: pure numbers.

Long-lived processes collect what no test finds: fragments of memory, leaks in libraries. A fresh
one costs a second, as long as it comes before anybody has to wake up for it.
"""

from dataclasses import dataclass

SPREAD = 0.2
"""Limits differ by so much from tenant to tenant, so that they do not all fall due together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may come to; 0 means that it does not matter."""

    tips: int = 0
    rss_bytes: int = 0
    age_s: float = 0.0
    youngest_s: float = 60.0
    """A worker that is too large at this age will always be: replacing it would be for nothing."""


@dataclass(slots=True, kw_only=True)
class Life:
    """What one tenant has come to; `factor` is its share of the limits."""

    factor: float = 1.0
    tips: int = 0
    rss_bytes: int = 0


def factor(jitter: float) -> float:
    """A tenant's share of the limits, from `jitter` in [0, 1)."""
    return 1 - SPREAD + 2 * SPREAD * jitter


def due(limits: Limits, life: Life, *, age_s: float) -> str | None:
    """Why this tenant should be replaced, as a few words for the log, or None."""
    if limits.tips and life.tips >= limits.tips * life.factor:
        return f"{life.tips} TIPs done"
    big = limits.rss_bytes and life.rss_bytes >= limits.rss_bytes * life.factor
    if big and age_s >= limits.youngest_s:
        return f"{life.rss_bytes / 1e6:.0f} MB of memory"
    if limits.age_s and age_s >= limits.age_s * life.factor:
        return f"{age_s:.0f} s of age"
    return None
