"""The numbers of status and health, counted on real rows."""

import uuid

from noggin_mp.domain.tip import Status
from noggin_mp.store import reports, session


def test_snapshot_is_all_zero_when_the_database_is_empty(conn: session.Connection) -> None:
    found = reports.snapshot(conn)

    assert found.tips == dict.fromkeys([*map(str, Status), "permanently_failed"], 0)
    assert found.queue == {"ready": 0, "later": 0, "leased": 0}
    assert (found.breakers, found.workers, found.paused) == ([], [], False)


def test_snapshot_counts_live_entries_only(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO noggin_data (tip, processing_status, permanently_failed, next_retry_at) VALUES"
        " ('a', 'pending', false, NULL), ('b', 'pending', false, NULL),"
        " ('c', 'failed', false, now() + interval '1 hour'), ('d', 'failed', true, NULL)"
    )
    conn.execute("INSERT INTO ready (prio, tip, gen) VALUES (5, 'a', -1), (5, 'gone', 1)")

    found = reports.snapshot(conn)

    assert found.queue == {"ready": 2, "later": 1, "leased": 0}
    assert (found.tips["pending"], found.tips["failed"], found.tips["permanently_failed"]) == (
        2,
        2,
        1,
    )


def test_snapshot_shows_a_worker_as_lost_when_it_is_silent(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO fleet_workers (host, slot, instance, boot, pid, state, heartbeat_at) VALUES"
        " ('h', 0, %(i)s, 1, 10, 'running', now() + interval '1 min'),"
        " ('h', 1, %(i)s, 1, 11, 'running', now() - interval '11 s'),"
        " ('h', 2, %(i)s, 1, 12, 'stopped', now() - interval '1 hour')",
        {"i": uuid.uuid4()},
    )

    found = reports.snapshot(conn).workers

    assert [one["state"] for one in found] == ["running", "lost", "stopped"]
    assert set(found[0]) == {"slot", "pid", "state", "tip", "host", "busy", "heartbeat_age_s"}


def test_snapshot_shows_breakers_and_the_pause(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO breaker_state (scope, state, until, reason)"
        " VALUES ('h:api', 'open', now() + interval '1 min', 'http_503')"
    )
    conn.execute("UPDATE queue_control SET paused = true, reason = 'night'")

    found = reports.snapshot(conn)

    assert [(one["scope"], one["state"], one["reason"]) for one in found.breakers] == [
        ("h:api", "open", "http_503")
    ]
    assert found.breakers[0]["until"] is not None
    assert (found.paused, found.pause_reason) == (True, "night")


def test_progress_tells_when_a_tip_was_last_finished(conn: session.Connection) -> None:
    assert reports.progress(conn) == reports.Progress(finished_age_s=None, rejected_rows=0)
    conn.execute("INSERT INTO noggin_data (tip, processing_status) VALUES ('a', 'complete')")
    conn.execute("INSERT INTO failed_records (row_number, reason) VALUES (1, 'x')")

    found = reports.progress(conn)

    assert found.finished_age_s is not None
    assert found.rejected_rows == 1


def test_failures_fold_numbers_when_grouped_by_message(conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO processing_errors (tip, error_type, error_message) VALUES"
        " ('a', 'http_503', 'try 1 failed'), ('a', 'http_503', 'try 22 failed'),"
        " ('b', 'timeout', 'read timed out')"
    )

    by_message = reports.failures(conn, by="message", since=None, limit=9)
    by_type = reports.failures(conn, by="type", since=None, limit=9)

    assert [(one["what"], one["failures"], one["tips"]) for one in by_message] == [
        ("try # failed", 2, 1), ("read timed out", 1, 1),
    ]  # fmt: skip
    assert [one["what"] for one in by_type] == ["http_503", "timeout"]
