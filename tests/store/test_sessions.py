"""The table session_log: a row per run, its end, and runs that were killed."""

from typing import Any

from noggin_mp.store import session, sessions


def rows(conn: session.Connection) -> list[tuple[Any, ...]]:
    """Session, exit code, whether it has ended, its reason and its TIPs, in order."""
    return conn.execute(
        "SELECT summary->>'session', exit_code, finished_at IS NOT NULL, summary->>'reason',"
        " summary->'tips' FROM session_log ORDER BY session_id"
    ).fetchall()


def begin(conn: session.Connection, name: str, *, instance: str = "i", host: str = "h") -> None:
    sessions.begin(conn, host=host, name=name, instance=instance, version="1")


def test_run_has_one_row_from_its_start_to_its_end(conn: session.Connection) -> None:
    conn.execute("INSERT INTO noggin_data (tip, worker_id, updated_at) VALUES"
                 " ('before', 'h/0', now() - interval '1 hour')")  # fmt: skip
    begin(conn, "a")
    begin(conn, "a")  # a monitor that was killed and respawned
    assert rows(conn) == [("a", None, False, None, None)]
    conn.execute(
        "INSERT INTO noggin_data (tip, worker_id, processing_status) VALUES"
        " ('1', 'h/0', 'complete'), ('2', 'h/1', 'complete'), ('3', 'h/1', 'failed'),"
        " ('4', 'hh/0', 'complete'),"
        " ('5', NULL, 'pending')"
    )
    sessions.finish(conn, host="h", name="a", instance="i", exit_code=1, reason="drained")
    assert rows(conn) == [("a", 1, True, "drained", {"complete": 2, "failed": 1})]


def test_run_that_was_killed_ends_without_a_code_when_the_next_begins(
    conn: session.Connection,
) -> None:
    begin(conn, "a")
    begin(conn, "elsewhere", instance="j")
    begin(conn, "b")
    assert rows(conn) == [
        ("a", None, True, "not known", None),
        ("elsewhere", None, False, None, None),
        ("b", None, False, None, None),
    ]


def test_end_of_a_run_that_never_began_writes_nothing(conn: session.Connection) -> None:
    sessions.finish(conn, host="h", name="a", instance="i", exit_code=7, reason="refused")
    assert rows(conn) == []
