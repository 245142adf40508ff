"""Samples and gauges: taken in the background, absent when stale or when the database is away."""

from typing import Any

import pytest

from noggin_mp.domain.errors import DatabaseUnreachable
from noggin_mp.monitor import samples
from noggin_mp.store import breaker, session
from tests.support import postgres

TYPES, SCOPES = ("LCD", "TA"), ("api.example", "api.example:api")


class Bench:
    """A sampler whose clock stands still and whose waits end it when told to."""

    def __init__(self, dsn: str) -> None:
        self.now = 100.0
        self.turns = 1
        self.waits: list[float] = []
        self.reachable = True
        self.asks = False
        self.seen: list[samples.Sample | None] = []
        self._dsn = dsn
        self.sampler = samples.Sampler(
            connect=self._connect, stopping=lambda: self.turns <= 0, wait=self._wait,
            clock=lambda: self.now,
        )  # fmt: skip
        self.gauges = samples.Gauges(self.sampler, TYPES, SCOPES)

    def _connect(self) -> session.Connection:
        if not self.reachable:
            raise DatabaseUnreachable("the database at h/d is down", remedy="start it")
        return session.connect(self._dsn, schema=postgres.SCHEMA, application_name="samples")

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.seen.append(self.sampler._latest)
        if self.asks:
            assert self.sampler.latest is not None
        self.turns -= 1
        return False

    def look(self, turns: int = 1) -> None:
        self.turns = turns
        self.sampler.run()

    def series(self) -> dict[tuple[str, ...], float]:
        return {
            (sample.name.removeprefix("noggin_"), *sample.labels.values()): sample.value
            for family in self.gauges.collect()
            for sample in family.samples
        }


@pytest.fixture
def bench(migrated: str) -> Bench:
    """A sampler of a migrated database."""
    return Bench(migrated)


def test_gauges_start_at_zero_for_every_type_and_scope(bench: Bench) -> None:
    bench.look()
    series = bench.series()
    for state in ("ready", "later", "leased", "dead"):
        for code in (*TYPES, "unknown"):
            assert series["queue_tips", state, code] == 0
    for scope in SCOPES:
        assert series["breaker_state", scope] == 0
        assert series["breaker_open_seconds_total", scope] == 0
    assert series["queue_oldest_ready_seconds",] == 0
    assert series["fleet_paused",] == 0
    assert series["import_rows_total", "imported"] == 0
    for state in ("up", "draining", "silent", "gone", "stopped"):
        assert series["fleet_hosts", state] == 0
    assert series["database_connections_limit",] >= 10
    assert series["database_connections", "active"] >= 1  # the sampler itself
    assert series["database_connections", "idle_in_transaction"] == 0


def test_connections_are_told_apart_by_what_they_do(bench: Bench, conn: session.Connection) -> None:
    with conn.transaction():
        conn.execute("SELECT 1")
        bench.look()
    assert bench.series()["database_connections", "idle_in_transaction"] == 1


def test_sampler_rests_longer_while_nobody_asks(bench: Bench) -> None:
    bench.look(turns=3)
    assert bench.waits == [samples.EVERY_S] * 3
    assert len({id(one) for one in bench.seen}) == 1  # one look, and two rests more
    bench.seen.clear()
    bench.asks = True
    bench.look(turns=3)
    assert bench.waits == [samples.EVERY_S] * 6
    assert len({id(one) for one in bench.seen}) == 3


def test_gauges_show_what_is_there(bench: Bench, conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO noggin_data (tip, object_code, processing_status, next_retry_at,"
        " permanently_failed, updated_at) VALUES"
        " ('a', 'LCD', 'pending', NULL, false, now() - interval '50 s'),"
        " ('b', 'LCD', 'pending', NULL, false, now()),"
        " ('c', 'TA', 'failed', now() + interval '1 h', false, now()),"
        " ('d', 'XYZ', 'failed', NULL, true, now()), ('e', NULL, 'failed', NULL, true, now())"
    )
    breaker.force(conn, scope=SCOPES[1], verb="open", who="me", reason="test", seconds=60)
    bench.look()
    series = bench.series()
    assert series["queue_tips", "ready", "LCD"] == 2
    assert series["queue_tips", "later", "TA"] == 1
    assert series["queue_tips", "dead", "unknown"] == 2  # a code nobody knows is no label
    assert series["queue_oldest_ready_seconds",] >= 50
    assert (series["breaker_state", SCOPES[0]], series["breaker_state", SCOPES[1]]) == (0, 5)


def test_oldest_ready_looks_past_entries_that_are_stale(
    bench: Bench, conn: session.Connection
) -> None:
    conn.execute("INSERT INTO noggin_data (tip, updated_at) VALUES ('a', now() - interval '90 s')")
    conn.execute("INSERT INTO noggin_data (tip, updated_at) VALUES ('b', now() - interval '50 s')")
    conn.execute("UPDATE noggin_data SET processing_status = 'skipped' WHERE tip = 'a'")
    bench.look()
    assert 50 <= bench.series()["queue_oldest_ready_seconds",] < 90


def test_open_seconds_end_with_a_forced_opening_that_ended_by_itself(
    bench: Bench, conn: session.Connection
) -> None:
    breaker.force(conn, scope=SCOPES[1], verb="open", who="me", reason="test", seconds=60)
    conn.execute("UPDATE breaker_events SET ts = ts - interval '1 h'")
    bench.look()
    assert bench.series()["breaker_open_seconds_total", SCOPES[1]] == pytest.approx(60, abs=1)


def test_gauges_are_absent_when_the_sample_is_stale(bench: Bench) -> None:
    assert bench.series() == {}
    bench.look()
    assert bench.series()
    bench.now += samples.STALE_S + samples.DEADLINE_S * 2 + samples.EVERY_S
    assert (bench.series(), bench.sampler.latest) == ({}, None)


def test_one_broken_session_is_replaced_in_silence_and_a_second_failure_is_told(
    bench: Bench,
) -> None:
    bench.look()
    bench.reachable = False
    bench.look()
    assert bench.sampler.latest is not None
    bench.look()
    assert (bench.sampler.latest, bench.series()) == (None, {})
    assert bench.sampler.error == "the database at h/d is down; start it"
    bench.reachable = True
    bench.look()
    assert (bench.sampler.error, bool(bench.series())) == ("", True)


def test_error_says_at_once_when_the_database_was_never_reached(bench: Bench) -> None:
    assert bench.sampler.error == "not sampled yet"
    bench.reachable = False
    bench.look()
    assert bench.sampler.error == "the database at h/d is down; start it"


def test_a_slow_database_is_asked_more_rarely_and_believed_for_longer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = samples.reports.snapshot

    def slow(connection: session.Connection) -> Any:
        bench.now += 2.0
        return plain(connection)

    monkeypatch.setattr(samples.reports, "snapshot", slow)
    bench.look()
    assert bench.waits[-1] == pytest.approx(40.0)
    bench.now += 45.0
    assert bench.sampler.latest is not None
