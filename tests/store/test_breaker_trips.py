"""What a trip leaves behind, and when it comes: two roles of a host, its reason, the time open."""

import datetime
import json as json_module
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.types import json

from noggin_mp.domain import breaker
from noggin_mp.store import breaker as store
from noggin_mp.store import history, session, statements
from tests.support import postgres

HOST, API, MEDIA = "api.example", "api.example:api", "api.example:media"
UUID = "00000000-0000-0000-0000-000000000001"
POLICY = breaker.Policy(fail_max=3, open_duration_s=60, open_jitter=0, sample_size=1000)
BUSY = 8


@pytest.fixture
def pool(migrated: str) -> Iterator[session.Pool]:
    made = session.open_pool(migrated, schema=postgres.SCHEMA, application_name="t", max_size=5)
    yield made
    made.close()


def at_work(conn: session.Connection, workers: int = BUSY) -> None:
    """So many workers have something in hand."""
    for slot in range(workers):
        store.beat(
            conn, host="h", slot=slot, instance=UUID, boot=1, pid=1, state="running", busy=1,
            tip=None,
        )  # fmt: skip
    # A beat counts for five seconds, which may pass between two statements.
    conn.execute("UPDATE fleet_workers SET heartbeat_at = heartbeat_at + interval '1 hour'")


def fail(
    pool: session.Pool, slot: int, scope: str = API, *, reason: str = "http_503", **values: Any
) -> dict[str, Any]:
    """One failed request of a worker; who pays for it, and the row."""
    policy = values.pop("policy", POLICY)
    return store.Store(pool, worker=f"h/{slot}").report(
        scope=scope,
        epoch=values.pop("epoch", 0),
        tip=f"{scope}{slot}",
        reason=reason,
        tally=store.Tally(failed=1, **values),
        policy=policy,
    )


def charges(pool: session.Pool, slots: range, scope: str = API) -> list[str]:
    return [fail(pool, slot, scope)["charge"] for slot in slots]


def test_limit_is_the_number_of_busy_workers_when_only_one_role_fails(
    pool: session.Pool, conn: session.Connection
) -> None:
    at_work(conn)
    assert charges(pool, range(8)) == ["doubt"] * 7 + ["tripped"]


@pytest.mark.parametrize(("elsewhere", "limit"), [(2, 6), (5, 3), (7, 3)])
def test_limit_shrinks_to_fail_max_by_what_fails_in_the_hosts_other_role(
    pool: session.Pool, conn: session.Connection, elsewhere: int, limit: int
) -> None:
    at_work(conn)
    assert charges(pool, range(elsewhere), MEDIA) == ["doubt"] * elsewhere
    assert charges(pool, range(limit)) == ["doubt"] * (limit - 1) + ["tripped"]


def test_limit_is_fail_max_when_the_hosts_other_role_has_just_tripped(
    pool: session.Pool, conn: session.Connection
) -> None:
    at_work(conn)
    assert charges(pool, range(8), MEDIA)[-1] == "tripped"
    assert charges(pool, range(3)) == ["doubt", "doubt", "tripped"]


def test_limit_grows_again_when_the_other_roles_trip_is_a_window_old(
    pool: session.Pool, conn: session.Connection
) -> None:
    at_work(conn)
    charges(pool, range(8), MEDIA)
    conn.execute("UPDATE breaker_state SET tripped_at = tripped_at - interval '61 seconds'")
    assert charges(pool, range(4)) == ["doubt"] * 4


def test_other_hosts_failures_do_not_count(pool: session.Pool, conn: session.Connection) -> None:
    at_work(conn)
    charges(pool, range(7), "other.example:media")
    assert charges(pool, range(7)) == ["doubt"] * 7


@pytest.mark.parametrize("elsewhere", range(0, 10, 3))
@pytest.mark.parametrize("busy", [0, 2, 6])
def test_limit_agrees_with_the_pure_policy(
    pool: session.Pool, conn: session.Connection, elsewhere: int, busy: int
) -> None:
    at_work(conn, busy)
    conn.execute(
        "INSERT INTO breaker_votes (scope, worker, epoch, streak, at)"
        " VALUES (%s, 'h/9', 0, %s, clock_timestamp())",
        (MEDIA, elsewhere),
    )
    votes = dict[str, breaker.Vote]()
    for slot in range(8):
        vote = votes.setdefault(f"h/{slot}", breaker.Vote())
        vote.add(ok=0, failed=1, slow=0, streak=1, now_s=1000.0, policy=POLICY)
        decided = breaker.decide(
            votes, worker=f"h/{slot}", busy=busy, policy=POLICY, now_s=1000.0, elsewhere=elsewhere
        )
        charge = fail(pool, slot)["charge"]
        assert (charge == "tripped") is (decided is breaker.Decision.TRIP_STREAK), slot
        if charge == "tripped":
            break


def test_reason_says_what_the_last_failure_was(
    pool: session.Pool, conn: session.Connection
) -> None:
    for slot, reason in enumerate(("reset", "http_502", "http_503")):
        row = fail(pool, slot, reason=reason)
    assert row["reason"] == "3 failures in a row, last http_503"
    [event] = history.events(conn, limit=5)
    assert (event["event_type"], event["reason"]) == ("trip", row["reason"])


def test_reason_names_a_failure_when_a_beat_decides(
    pool: session.Pool, conn: session.Connection
) -> None:
    policy = breaker.Policy(fail_max=50, sample_size=10, failure_threshold_percent=40)
    for slot in range(4):
        assert fail(pool, slot, reason="html", policy=policy)["charge"] == "doubt"
    vote = {
        "scope": API, "epoch": 0, "ok": 6, "failed": 0, "slow": 0, "ok_age_s": 0, "window_s": 60,
        "policy": policy.as_dict(),
    }  # fmt: skip
    row = store.beat(
        conn, host="h", slot=2, instance=UUID, boot=1, pid=1, state="running", busy=1, tip=None,
        votes=[vote],
    )  # fmt: skip
    [seen] = [one for one in row["scopes"] if one["scope"] == API]
    assert (seen["state"], seen["reason"]) == ("open", "4 of 10 requests failed, last html")
    assert seen["tripped_by"] == "h/2"
    assert seen["tripped_at"] > 0


def test_trip_is_named_in_the_row_until_the_next_one(
    pool: session.Pool, conn: session.Connection
) -> None:
    charges(pool, range(3))
    store.force(conn, scope=API, verb="reset", who="me", reason="x")
    first = view(conn)
    assert (first["state"], first["tripped_by"]) == ("closed", "h/2")
    for slot in (4, 5, 6):
        row = fail(pool, slot, epoch=first["epoch"])
    assert row["tripped_by"] == "h/6"
    assert row["tripped_at"] > first["tripped_at"]


def test_announcement_names_its_schema(migrated: str, pool: session.Pool) -> None:
    with psycopg.connect(migrated, autocommit=True) as listener:
        listener.execute("LISTEN noggin_breaker")
        charges(pool, range(3))
        with pool.connection() as connection:
            store.pause_fleet(connection, who="me", reason="x", seconds=5)
        notes = [json_module.loads(n.payload) for n in listener.notifies(timeout=60, stop_after=2)]
    assert {(note["scope"], note["schema"]) for note in notes} == {
        (API, postgres.SCHEMA),
        ("*", postgres.SCHEMA),
    }


def test_time_open_does_not_fall_when_events_are_pruned(
    conn: session.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days, minutes, kind, state, details in (
        (100, 0, "trip", "open", None),
        (100, 2, "half_open", "half_open", None),
        (100, 3, "close", "closed", None),
        (95, 0, "force", "forced_open", {"seconds": 30}),
        (92, 0, "trip", "open", None),
        (89, 0, "open", "open", None),
    ):
        conn.execute(
            "INSERT INTO breaker_events (ts, host, scope, event_type, new_state, details)"
            " VALUES (now() - make_interval(days => %s) + make_interval(mins => %s),"
            "         %s, %s, %s, %s, %s)",
            (days, minutes, HOST, API, kind, state, json.Jsonb(details) if details else None),
        )
    before = seconds_open(conn)
    assert before == pytest.approx(180 + 30 + 92 * 86400, abs=20)
    monkeypatch.setattr(history, "PRUNE_LIMIT", 3)
    assert [history.prune(conn).events for _ in range(3)] == [3, 2, 0]
    assert seconds_open(conn) == pytest.approx(before, abs=20)


def test_last_event_stays_when_it_is_old(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO breaker_events (ts, host, scope, event_type, new_state)"
        " VALUES (now() - interval '100 days', %s, %s, 'force', 'forced_open')",
        (HOST, HOST),
    )
    assert history.prune(conn).events == 0
    assert seconds_open(conn, HOST) == pytest.approx(100 * 86400, abs=600)


def seconds_open(conn: session.Connection, scope: str = API) -> float:
    """As the monitor samples it."""
    row = conn.execute(statements.statement("monitor_sample")).fetchone()
    assert row is not None
    return float(row[0]["open_s"][scope])


def view(conn: session.Connection) -> dict[str, Any]:
    row = conn.execute(
        "SELECT breaker_view(b, clock_timestamp()) FROM breaker_state b WHERE scope = %s", (API,)
    ).fetchone()
    assert row is not None
    return dict(row[0])


def well(conn: session.Connection, worker: str, at: datetime.datetime | None = None) -> None:
    """A worker that told of a success `at` a time; without one it counts as if just now."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    conn.execute(
        "INSERT INTO breaker_votes (scope, worker, epoch, at, ok_at)"
        " VALUES (%s, %s, 0, %s, clock_timestamp() - interval '3 s')",
        (API, worker, at or later),
    )


def test_one_host_trips_nobody_while_another_is_well(
    pool: session.Pool, conn: session.Connection
) -> None:
    well(conn, "other/0")
    assert charges(pool, range(4)) == ["doubt"] * 4
    for _ in range(2):  # each of its workers is confined when it has failed often enough itself
        last = fail(pool, 0)["charge"]
    assert last == "quarantine"
    assert fail(pool, 1)["state"] == "closed"


@pytest.mark.parametrize(("ago_s", "expected"), [(2, "doubt"), (3, "tripped")])
def test_one_host_trips_when_the_others_have_not_been_well_lately(
    conn: session.Connection, ago_s: int, expected: str
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    well(conn, "other/0", now - datetime.timedelta(seconds=ago_s))
    for slot in range(3):
        row = conn.execute(
            "SELECT breaker_report(%s, %s, 0, %s, 'x', 0, 1, 0, NULL, %s, %s)",
            (API, f"h/{slot}", f"t{slot}", json.Jsonb(POLICY.as_dict()), now),
        ).fetchone()
        assert row is not None
    assert row[0]["charge"] == expected


def test_hosts_trip_together_when_both_fail(pool: session.Pool, conn: session.Connection) -> None:
    for worker in ("other/0", "other/1"):
        well(conn, worker)
    assert charges(pool, range(3)) == ["doubt"] * 3
    store.Store(pool, worker="other/0").report(
        scope=API, epoch=0, tip="t", reason="x", tally=store.Tally(failed=1), policy=POLICY
    )
    assert view(conn)["state"] == "open"


def test_one_host_trips_all_when_one_voter_is_enough(
    pool: session.Pool, conn: session.Connection
) -> None:
    well(conn, "other/0")
    policy = breaker.Policy(fail_max=2, min_voters=1, sample_size=1000)
    assert [fail(pool, slot, policy=policy)["charge"] for slot in (0, 0)][-1] == "tripped"
