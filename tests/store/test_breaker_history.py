"""The breaker's history: requests by minute, filtered events, the advisor's evidence, pruning."""

import datetime
from collections.abc import Iterator

import pytest

from noggin_mp.domain import breaker
from noggin_mp.domain.outcome import Role
from noggin_mp.store import breaker as store
from noggin_mp.store import history, session
from tests.support import postgres

HOST, API, MEDIA = "api.example", "api.example:api", "api.example:media"
POLICY = breaker.Policy(open_duration_s=0.01, open_jitter=0, fail_max=2, success_threshold=1)
UUID = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def worker(migrated: str) -> Iterator[store.Store]:
    pool = session.open_pool(migrated, schema=postgres.SCHEMA, application_name="t")
    yield store.Store(pool, worker="h/0")
    pool.close()


def beat(conn: session.Connection, *votes: dict[str, object]) -> None:
    store.beat(
        conn, host="h", slot=0, instance=UUID, boot=1, pid=1, state="running", busy=0, tip=None,
        votes=list(votes),
    )  # fmt: skip


def vote(scope: str, *, ok: int, epoch: int = 0) -> dict[str, object]:
    return {
        "scope": scope, "epoch": epoch, "ok": ok, "failed": 0, "slow": 0, "ok_age_s": 0,
        "window_s": 60, "policy": None,
    }  # fmt: skip


def event(conn: session.Connection, age: str, type_: str = "trip", scope: str = API) -> None:
    conn.execute(
        "INSERT INTO breaker_events (ts, host, scope, event_type)"
        " VALUES (now() - %s::interval, breaker_host(%s), %s, %s)",
        (age, scope, scope, type_),
    )


def test_requests_are_counted_by_scope_however_they_end(
    worker: store.Store, conn: session.Connection
) -> None:
    beat(conn, vote(MEDIA, ok=3), vote(API, ok=10))
    beat(conn)
    tally = store.Tally(ok=2, failed=1)
    worker.report(scope=API, epoch=0, tip="t", reason="x", tally=tally, policy=POLICY)
    worker.recovered(scope=API, epoch=0, tally=store.Tally(ok=4), policy=POLICY)
    worker.pause(scope=HOST, seconds=20, tip="t", reason="http_429")
    worker.pause(scope=HOST, seconds=1, tip="t", reason="http_503")

    past = history.past(conn, window_s=60)[HOST]
    assert (past.ok, past.failed, past.throttled, past.paused) == (19, 1, 1, 1)
    assert past.total == 22
    assert past.requests == {Role.API: 17, Role.MEDIA: 3}
    assert past.waits_s == [20]
    assert past.minutes in (1, 2)


def test_requests_are_counted_when_their_epoch_is_stale(conn: session.Connection) -> None:
    beat(conn, vote(API, ok=5, epoch=99))

    assert history.past(conn, window_s=60)[HOST].ok == 5


def test_past_tells_trips_and_trials_in_their_order(
    worker: store.Store, conn: session.Connection
) -> None:
    for tip in "ab":
        worker.report(
            scope=API, epoch=0, tip=tip, reason="x", tally=store.Tally(failed=1), policy=POLICY
        )
    conn.execute("UPDATE breaker_state SET until = now() WHERE scope = %s", (API,))
    _, probe = worker.try_probe(scope=API, fingerprint="", policy=POLICY)
    assert probe is not None
    probe.done(result="success", fingerprint="", tip="t", reason="", policy=POLICY)

    past = history.past(conn, window_s=60)[HOST]
    told = [(one.type, one.result, one.decision) for one in past.events[Role.API]]
    assert told == [
        ("trip", None, "trip_streak"), ("half_open", None, None), ("close", "success", None),
    ]  # fmt: skip
    assert (past.ok, past.failed) == (1, 2)


def test_past_leaves_out_what_is_older_than_the_window(conn: session.Connection) -> None:
    event(conn, "2 hours")
    conn.execute(
        "INSERT INTO breaker_minutes (minute, scope, ok)"
        " VALUES (date_trunc('minute', now() - interval '2 hours'), %s, 7)",
        (API,),
    )

    assert history.past(conn, window_s=3600) == {}
    assert history.past(conn, window_s=3 * 3600)[HOST].ok == 7


def test_past_knows_hosts_that_are_addresses(conn: session.Connection) -> None:
    beat(conn, vote("2001:db8::1:api", ok=5))

    assert history.past(conn, window_s=60)["2001:db8::1"].requests == {Role.API: 5}


def test_failures_are_counted_by_role_and_reason(conn: session.Connection) -> None:
    for type_, reason, age in (
        ("api_failed", "http_503", "1 minute"),
        ("api_failed", "http_503", "2 minutes"),
        ("attachment_failed", "truncated", "1 minute"),
        ("api_failed", "http_500", "2 hours"),
        ("bad_row", "x", "1 minute"),
    ):
        conn.execute(
            "INSERT INTO processing_errors (error_type, error_details, created_at)"
            " VALUES (%s, jsonb_build_object('reason', %s::text), now() - %s::interval)",
            (type_, reason, age),
        )

    assert history.failures(conn, window_s=3600) == {
        Role.API: {"http_503": 2},
        Role.MEDIA: {"truncated": 1},
    }


def test_events_are_filtered_by_scope_time_and_type(conn: session.Connection) -> None:
    for age, type_, scope in (
        ("3 days", "trip", API), ("3 hours", "close", API), ("2 hours", "trip", MEDIA),
        ("1 hour", "pause", HOST), ("1 minute", "trip", "other.example:api"),
    ):  # fmt: skip
        event(conn, age, type_, scope)
    since = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)

    def found(**given: object) -> list[tuple[str, str]]:
        rows = history.events(conn, **({"limit": 10} | given))  # type: ignore[arg-type]
        return [(row["scope"], row["event_type"]) for row in rows]

    assert len(found()) == 5
    assert found(limit=1) == [("other.example:api", "trip")]
    assert found(scope=HOST) == [(HOST, "pause"), (MEDIA, "trip"), (API, "close"), (API, "trip")]
    assert found(scope=API, since=since) == [(API, "close")]
    assert found(types=["pause", "close"]) == [(HOST, "pause"), (API, "close")]


def test_prune_drops_old_rows_in_bounded_batches(
    conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "PRUNE_LIMIT", 2)
    for age in ("91 days", "92 days", "93 days", "89 days"):
        event(conn, age)
        conn.execute(
            "INSERT INTO breaker_minutes (minute, scope) VALUES (now() - %s::interval, %s)",
            (age, API),
        )

    pruned = [history.prune(conn) for _ in range(3)]

    assert [(one.events, one.minutes) for one in pruned] == [(2, 2), (1, 1), (0, 0)]
    left = "SELECT (SELECT count(*) FROM breaker_events), (SELECT count(*) FROM breaker_minutes)"
    assert conn.execute(left).fetchone() == (1, 1)
