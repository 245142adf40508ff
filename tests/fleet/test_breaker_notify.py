"""Notifications that get lost: every worker still obeys, by its beat."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import fleet, hosts, islands

WORK = ["--types", "TA", "--latency-ms", "100", "--missing", "0"]
LISTENERS = (
    "FROM pg_stat_activity"
    " WHERE application_name LIKE 'noggin-mp/%/listen' AND datname = current_database()"
)
QUIET_S = 4.0
"""Workers hear by their beat, each second; nobody asks for longer than this once all have heard."""


@pytest.mark.slow
def test_workers_obey_when_their_listeners_are_killed_all_the_time(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=2500, options=WORK) as api:
        sites = [hosts.site(tmp_path, migrated, api, name) for name in ("ann", "bob")]
        sites[0].ok("import", str(tmp_path / "export.csv"))
        with hosts.running(sites):
            with _killing(sites[0]) as killed:
                hosts.until(lambda: len(killed) > 8, what="listeners are killed")
                _check_obeyed(sites[0], api, "while listeners are killed")
            sites[0].ok("breaker", "close", "127.0.0.1")
            hosts.progress(sites[0], 30)
            hosts.until(lambda: sites[0].value(f"SELECT count(*) {LISTENERS}") == 4)
    assert hosts.charged(sites[0]) == []


@contextlib.contextmanager
def _killing(site: fleet.Site) -> Iterator[list[int]]:
    """Meanwhile every listener's session is ended, again and again."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        with site.connect() as connection:
            while not over.wait(0.03):
                found = connection.execute(f"SELECT pg_terminate_backend(pid), pid {LISTENERS}")
                killed.extend(pid for _, pid in found)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def _check_obeyed(site: fleet.Site, api: fleet.Simulator, when: str) -> None:
    host = hosts.api_host(site)
    site.ok("breaker", "open", host, "--for", "300", "--reason", "x")
    opened_ns = hosts.event(site, "force")["at_ns"]

    def late_s() -> list[float] | None:
        now_ns = time.monotonic_ns()
        late = [(one["start_ns"] - opened_ns) / 1e9 for one in api.log(since_ns=opened_ns)]
        quiet_s = (now_ns - opened_ns) / 1e9 - max(late, default=0)
        return [0.0, *late] if quiet_s > QUIET_S else None

    late = hosts.until(late_s, timeout_s=30, what="a standstill")
    print(f"{when}: {len(late) - 1} requests after the opening, the last {late[-1]:.2f} s")
    assert site.value("SELECT count(*) FROM ready") > 0  # it was not for lack of work


@pytest.mark.slow
def test_workers_obey_when_packets_to_their_listeners_vanish(tmp_path: Path) -> None:
    with (
        islands.archipelago(1) as [shore],
        islands.database() as dsn,
        fleet.simulator(tmp_path, tips=2500, options=[*WORK, "--host", islands.MAINLAND]) as api,
    ):
        site = islands.site(shore, tmp_path, dsn, api, "ann")
        desk = hosts.site(tmp_path, dsn, api, "desk")
        desk.ok("import", str(tmp_path / "export.csv"))
        with hosts.running([site]):
            hosts.progress(desk, 30)
            hosts.until(lambda: len(_listening(desk)) == 2, what="two listeners")
            ports = _listening(desk)
            with shore.deaf(ports):
                _check_obeyed(desk, api, "while notifications vanish")
            desk.ok("breaker", "close", hosts.api_host(desk))
            hosts.progress(desk, 30)
            hosts.until(
                lambda: len(_listening(desk)) == 2 and not set(ports) & set(_listening(desk)),
                what="other sessions listen",
            )
        assert hosts.charged(desk) == []


def _listening(site: fleet.Site) -> list[int]:
    """The ports of all sessions that listen."""
    with site.connect() as connection:
        rows = connection.execute(f"SELECT client_port {LISTENERS}".encode()).fetchall()
    return [row[0] for row in rows]
