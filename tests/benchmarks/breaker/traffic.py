"""What the outage server saw: every request with its times, and what can be counted from that."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

S = 1_000_000_000
"""Nanoseconds in a second; every time here is CLOCK_MONOTONIC in nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the server saw it: `worker` is the last word of its User-Agent."""

    start_ns: int
    end_ns: int
    role: str
    worker: str
    status: int
    fault: str
    aborted: bool

    @property
    def ok(self) -> bool:
        """True when the server gave the honest answer."""
        return not self.fault and not self.aborted and 200 <= self.status < 300


class Log:
    """The server's log file, read from where a run began."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0
        self._read: list[Request] = []

    def read(self) -> list[Request]:
        """Every request that ended since this object was made, by arrival."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        for line in text.splitlines(keepends=True):
            # A line that is being written may be seen without its end, or without its bytes.
            if not line.startswith(b"{") or not line.endswith(b"}\n"):
                break
            self._at += len(line)
            self._read.append(_parse(line))
        self._read.sort(key=lambda one: one.start_ns)
        return list(self._read)


def _parse(line: bytes) -> Request:
    raw = json.loads(line)
    return Request(
        start_ns=raw["start_ns"],
        end_ns=raw["end_ns"],
        role=raw["role"],
        worker=raw["user_agent"].rpartition(" ")[2],
        status=raw["status"],
        fault=raw["fault"],
        aborted=raw["aborted"],
    )


def between(requests: Iterable[Request], start_ns: float, end_ns: float) -> list[Request]:
    """The requests that arrived in [start, end)."""
    return [one for one in requests if start_ns <= one.start_ns < end_ns]


def peak(requests: Sequence[Request]) -> int:
    """How many of them were at the server at once, at most."""
    edges = [(one.start_ns, 1) for one in requests] + [(one.end_ns, -1) for one in requests]
    most = now = 0
    for _, step in sorted(edges):  # an end before a start at the same nanosecond
        now += step
        most = max(most, now)
    return most


def burst(requests: Sequence[Request], window_ns: int = S) -> int:
    """How many of them arrived within one window, at most."""
    starts = sorted(one.start_ns for one in requests)
    most = first = 0
    for at, start in enumerate(starts):
        while start - starts[first] >= window_ns:
            first += 1
        most = max(most, at - first + 1)
    return most


def latest_ms(requests: Iterable[Request], since_ns: float) -> float:
    """Milliseconds from then to the last of these arrivals; 0 when there is none after it."""
    return max((one.start_ns - since_ns for one in requests), default=0.0) / 1e6


def per_second(requests: Iterable[Request], zero_ns: int) -> Counter[int]:
    """Arrivals by whole second counted from `zero_ns`."""
    return Counter((one.start_ns - zero_ns) // S for one in requests)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed; the largest one for few values."""
    if not values:
        return 0.0
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]


def median(values: Sequence[float]) -> float:
    """The middle one, 0 of none."""
    return statistics.median(values) if values else 0.0
