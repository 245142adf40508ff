"""Several installations on one database, as if on several hosts, and what the API saw of them."""

import contextlib
import functools
import itertools
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support import fleet, wait

FAST: Mapping[str, Any] = {
    "open_duration_s": 0.5,
    "open_max_s": 2,
    "open_jitter": 0,
    "recovery_ramp_s": 0.5,
    "pause_default_s": 1,
    "probe_deadline_s": 1.5,
}
"""A breaker policy for people in a hurry."""


until = functools.partial(wait.until, every_s=0.1)
"""Waits on what is asked of the database, which costs a connection each time."""


def site(
    folder: Path,
    dsn: str,
    api: fleet.Simulator,
    name: str,
    *,
    breaker: Mapping[str, Any] = FAST,
    **extra: dict[str, Any],
) -> fleet.Site:
    """An installation with a folder and a host name of its own."""
    home = folder / name
    home.mkdir()
    sections = {"fleet": {"host": name, "workers": 2, "threads": 4}}
    for section, values in extra.items():
        sections.setdefault(section, {}).update(values)
    return fleet.Site(home, dsn, api, breaker={"defaults": dict(breaker)}, **sections)


@contextlib.contextmanager
def running(sites: Sequence[fleet.Site]) -> Iterator[None]:
    """All of them at work."""
    with contextlib.ExitStack() as stack:
        for one in sites:
            stack.enter_context(fleet.running(one))
        expected = sum(one.settings["fleet"]["workers"] for one in sites)
        until(lambda: beating(sites[0]) == expected, timeout_s=120, what="every worker beats")
        yield


def beating(one: fleet.Site) -> int:
    """How many workers of the whole fleet are heard of."""
    count: int = one.value(
        "SELECT count(*) FROM fleet_workers WHERE state = 'running'"
        " AND heartbeat_at > clock_timestamp() - interval '3 seconds'"
    )
    return count


def state(one: fleet.Site, scope: str) -> str:
    """The state of a breaker scope (empty, :api, :media); closed when there is none yet."""
    with one.connect() as connection:
        row = connection.execute(
            "SELECT breaker_effective(b, clock_timestamp()) FROM breaker_state b WHERE scope = %s",
            (f"{api_host(one)}{scope}",),
        ).fetchone()
    return row[0] if row else "closed"


def api_host(one: fleet.Site) -> str:
    """The API's host, by which scopes are named."""
    return urllib.parse.urlsplit(str(one.settings["api"]["base_url"])).hostname or ""


def becomes(one: fleet.Site, scope: str, wanted: str, *, timeout_s: float = 60) -> None:
    """Wait for a state of a scope."""
    until(lambda: state(one, scope) == wanted, timeout_s=timeout_s, what=f"{scope} is {wanted}")


def done(one: fleet.Site) -> int:
    """How many TIPs are through."""
    count: int = one.value(
        "SELECT count(*) FROM noggin_data WHERE processing_status IN ('complete', 'not_found')"
    )
    return count


def progress(one: fleet.Site, more: int, *, timeout_s: float = 60) -> None:
    """Wait until so many more TIPs are through, or all: a fleet may be faster than who watches."""
    wanted = min(done(one) + more, one.value("SELECT count(*) FROM noggin_data"))
    until(lambda: done(one) >= wanted, timeout_s=timeout_s, what="work goes on")


def charged(one: fleet.Site) -> list[tuple[str, int]]:
    """The TIPs that pay for something."""
    with one.connect() as connection:
        return connection.execute(
            "SELECT tip, retry_count FROM noggin_data WHERE retry_count > 0 OR permanently_failed"
        ).fetchall()


def event(one: fleet.Site, type_: str, *, scope: str = "") -> dict[str, Any]:
    """The latest event of a type; `at_ns` is its time on the machine's monotonic clock."""
    with one.connect() as connection:
        row = connection.execute(
            "SELECT id, (extract(epoch FROM ts) * 1000000000)::bigint, worker, reason, details"
            " FROM breaker_events WHERE event_type = %s AND scope = %s ORDER BY id DESC LIMIT 1",
            (type_, f"{api_host(one)}{scope}"),
        ).fetchone()
    if row is None:
        return {}
    names = ("id", "at_ns", "worker", "reason", "details")
    return dict(zip(names, (row[0], int(row[1]) - wall_ahead_ns(), *row[2:]), strict=True))


def wall_ahead_ns() -> int:
    """The wall clock less the monotonic one: by the quickest of some looks, for the machine may
    stand still between the two."""
    looks = []
    for _ in range(5):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        looks.append((after - before, wall - before))
    return min(looks)[1]


def in_pairs(requests: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Neighbours that were in flight together."""
    ordered = sorted(requests, key=lambda one: int(one["start_ns"]))
    return [
        (first, then)
        for first, then in itertools.pairwise(ordered)
        if then["start_ns"] < first["end_ns"]
    ]


def prober(one: fleet.Site) -> tuple[str, int] | None:
    """The worker that has the right to the one trial request now: its host and slot."""
    found = one.value(
        "SELECT probe_owner FROM breaker_state"
        " WHERE state = 'half_open' AND probe_owner IS NOT NULL"
    )
    if found is None:
        return None
    host, _, slot = found.partition("/")
    return host, int(slot)
