"""Pacing in Postgres: chunks of slots, and shares of the requests in flight, for one worker."""

import time
from dataclasses import dataclass
from typing import Any

import psycopg

from noggin_mp.domain import errors, pacing, places
from noggin_mp.store import session, statements


class Unreachable(errors.DatabaseUnreachable):
    """Nothing could be reserved, or nobody knows whether it was: the database did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Slots as seconds from the moment the row was read; with none, when to ask again.

    That moment lies within the last `doubt_s` seconds before the answer.
    """

    offsets: tuple[float, ...]
    wait_s: float
    doubt_s: float


class Store:
    """Pacing as one worker uses it, over its pool; every method may raise Unreachable."""

    def __init__(self, pool: session.Pool, *, worker: str, timeout_s: float = 5.0) -> None:
        self._pool = pool
        self._worker = worker
        self._timeout_s = timeout_s

    def reserve(self, limit: pacing.Limit, *, n: int) -> Chunk:
        """Up to `n` slots of the scope."""
        parameters = {
            "scope": limit.scope,
            "intervals": [window.interval_s for window in limit.windows],
            "bursts": [window.burst for window in limit.windows],
            "adaptive": limit.adaptive,
            "n": n,
            "horizon_s": pacing.HORIZON_S,
            "chunk_s": pacing.CHUNK_S,
        }
        answer, took_s = self._call("pacing_reserve", parameters)
        return Chunk(
            offsets=tuple(answer["offsets"]),
            wait_s=answer["wait_s"],
            doubt_s=max(0.0, took_s - answer["waited_s"]),
        )

    def slow(self, scope: str) -> float:
        """Slow an adaptive scope down; the share of its rate that is left."""
        factor, _ = self._call("pacing_slow", {"scope": scope})
        return float(factor)

    def share(self, cap: places.Cap, *, in_flight: int, wanted: int) -> int:
        """How many requests this worker may have in flight, for the next `places.TTL_S`."""
        allowed, _ = self._call(
            "pacing_share",
            {
                "scope": cap.scope,
                "worker": self._worker,
                "cap": cap.limit,
                "in_flight": in_flight,
                "wanted": wanted,
                "ttl_s": places.TTL_S,
                "fresh_s": places.FRESH_S,
            },
        )
        return int(allowed)

    def _call(self, name: str, parameters: dict[str, object]) -> tuple[Any, float]:
        try:
            with self._pool.connection(timeout=self._timeout_s) as connection:
                asked = time.monotonic()
                row = connection.execute(statements.statement(name), parameters).fetchone()
                took_s = time.monotonic() - asked
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            # PoolTimeout is an OperationalError too.
            raise Unreachable(f"pacing could not reach the database: {error}") from error
        assert row is not None
        return row[0], took_s
