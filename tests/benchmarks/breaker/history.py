"""What the database says happened: the announcements as they come, and the events afterwards."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.support import fleet, wait

_EVENTS = """
SELECT event_type, scope, coalesce(worker, ''), coalesce(reason, ''), details,
       extract(epoch FROM ts)::float8,
       extract(epoch FROM coalesce(pg_xact_commit_timestamp(xmin), ts))::float8
FROM breaker_events WHERE id > %s ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of breaker_events, its times on CLOCK_MONOTONIC."""

    kind: str
    scope: str
    worker: str
    reason: str
    details: dict[str, Any] | None
    at_ns: int
    committed_ns: int


def events(site: fleet.Site, *, after: int = 0) -> list[Event]:
    """The events with a larger id than `after`."""
    with site.connect() as connection:
        rows = connection.execute(_EVENTS, (after,)).fetchall()
    offset_ns = _offset_ns()
    return [
        Event(
            kind=kind,
            scope=scope,
            worker=worker,
            reason=reason,
            details=details,
            at_ns=int(at * 1e9) - offset_ns,
            committed_ns=int(committed * 1e9) - offset_ns,
        )
        for kind, scope, worker, reason, details, at, committed in rows
    ]


def _offset_ns() -> int:
    """What CLOCK_MONOTONIC lacks to the time of day, on the machine the server runs on too.

    Somebody may be put to sleep between a look at one clock and at the other: the narrowest counts.
    """
    looks = []
    for _ in range(20):
        before, now, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        looks.append((after - before, now - before))
    return min(looks)[1]


def newest(site: fleet.Site) -> int:
    """The largest id so far."""
    return int(site.value("SELECT coalesce(max(id), 0) FROM breaker_events"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One announcement on the breaker's channel, and when it was heard here."""

    at_ns: int
    row: dict[str, Any]


class Watch:
    """Hears every announcement; what a scenario waits on."""

    def __init__(self, site: fleet.Site) -> None:
        self.notes: list[Note] = []
        self._site = site
        self._stopped = threading.Event()
        self._hearing = threading.Event()
        self._thread = threading.Thread(target=self._hear, daemon=True)

    def _hear(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(psycopg.OperationalError), self._site.connect() as connection:
                connection.execute("LISTEN noggin_breaker")
                self._hearing.set()
                while not self._stopped.is_set():
                    for one in connection.notifies(timeout=0.2, stop_after=1):
                        note = Note(at_ns=time.monotonic_ns(), row=json.loads(one.payload))
                        self.notes.append(note)

    def until(
        self,
        wanted: Callable[[dict[str, Any]], bool],
        *,
        since_ns: int,
        timeout_s: float,
        what: str,
    ) -> Note:
        """The first announcement heard after `since_ns` that is wanted."""

        def found() -> Note | None:
            notes = list(self.notes)
            return next((n for n in notes if n.at_ns > since_ns and wanted(n.row)), None)

        note = wait.until(found, timeout_s=timeout_s, every_s=0.005, what=what)
        assert note is not None
        return note

    def __enter__(self) -> "Watch":
        self._thread.start()
        assert self._hearing.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(5)


def spans(found: list[Event], scope: str, end_ns: int) -> Iterator[tuple[str, int, int]]:
    """The stretches of open, half_open and closed of a scope, by its events."""
    states = {"trip": "open", "open": "open", "half_open": "half_open", "close": "closed"}
    mine = [one for one in found if one.scope == scope and one.kind in states]
    for at, one in enumerate(mine):
        until = mine[at + 1].committed_ns if at + 1 < len(mine) else end_ns
        yield states[one.kind], one.committed_ns, until
