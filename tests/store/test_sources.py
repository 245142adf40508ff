"""Sources: begun, finished, found again, listed with their rejects."""

from noggin_mp.store import audit, session, sources
from tests.support.tips import tip

FILE = sources.Description(
    filename="a.csv", sha256="aa", kind=sources.TIPS, size_bytes=7, loaded_by="x@y"
)
COUNTS = sources.Counts(read=4, imported=1, known=1, duplicates=1, rejected=1, last_row=5)


def test_source_is_found_by_content_when_it_is_finished(conn: session.Connection) -> None:
    loading = sources.begin(conn, FILE)
    assert sources.same_content(conn, sha256="aa", kind=sources.TIPS) is None

    sources.finish(conn, source_id=loading.source_id, counts=COUNTS)

    assert sources.same_content(conn, sha256="aa", kind=sources.TIPS) == sources.Earlier(
        source_id=loading.source_id, version=1, filename="a.csv", rejected=1
    )
    assert sources.same_content(conn, sha256="aa", kind="lookups:team") is None


def test_source_is_shown_with_counts_rejects_and_its_tips(conn: session.Connection) -> None:
    source_id = sources.begin(conn, FILE).source_id
    rejected = [sources.Rejected(line=3, reason="why", raw="x,y")]
    sources.reject(conn, source_id=source_id, rejected=rejected)
    sources.finish(conn, source_id=source_id, counts=COUNTS)
    conn.execute("INSERT INTO noggin_data (tip, source_id) VALUES (%s, %s)", (tip(1), source_id))

    shown = sources.shown(conn, source_id=source_id)

    assert shown is not None
    assert (shown["rows_read"], shown["status"], shown["tips"]) == (4, "loaded", {"pending": 1})
    assert sources.rejects(conn, source_id=source_id, limit=9) == [
        {"row_number": 3, "reason": "why", "raw": "x,y", "resolved": False}
    ]


def test_source_leaves_no_trace_when_it_is_forgotten(conn: session.Connection) -> None:
    source_id = sources.begin(conn, FILE).source_id
    sources.reject(
        conn, source_id=source_id, rejected=[sources.Rejected(line=3, reason="why", raw="")]
    )

    sources.forget(conn, source_id=source_id)

    assert sources.shown(conn, source_id=source_id) is None
    assert conn.execute("SELECT count(*) FROM failed_records").fetchone() == (0,)


def test_lock_is_refused_when_another_import_holds_it(
    conn: session.Connection, migrated: str
) -> None:
    other = session.connect(migrated, schema="noggin_schema", application_name="other")
    with other, other.transaction():
        assert sources.lock(other, wait=True)
        with conn.transaction():
            assert not sources.lock(conn, wait=False)


def test_audit_keeps_who_what_and_why(conn: session.Connection) -> None:
    audit.write(conn, audit.Entry(
        who="x@y", action="tips retry", target="t", reason="r", affected=2, details={"a": 1}
    ))  # fmt: skip

    row = conn.execute("SELECT who, action, target, reason, affected, details FROM audit_log")
    assert row.fetchone() == ("x@y", "tips retry", "t", "r", 2, {"a": 1})
