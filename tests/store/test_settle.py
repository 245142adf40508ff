"""Settle on real Postgres: fences, operators' edits, locked and poisoned rows, parts."""

import dataclasses
import datetime
import uuid
from collections.abc import Sequence

import psycopg
import pytest

from noggin_mp.domain.tip import Status
from noggin_mp.store import queue, session, settle

HOLDER = queue.Holder(host="h", slot=0, instance=str(uuid.uuid4()), boot=1)
RECORD = {
    "object_type": "Load Compliance Check (Driver/Loader)",
    "object_code": "LCD",
    "noggin_reference": "LCD - 000001",
    "lcd_inspection_id": "LCD - 000001",
    "inspection_date": datetime.date(2025, 10, 23),
    "straps": True,
    "no_of_straps": 4,
    "has_unknown_hashes": True,
    "total_attachments": 1,
    "completed_attachment_count": 1,
    "all_attachments_complete": True,
    "api_meta_created_date": "2025-10-23T01:02:03.000Z",
    "api_meta_parent": ["a" * 64],
    "payload": {"date": "2025-10-23T00:00:00.000+08:00", "n": 1},
}
FILE = settle.AttachmentRow(
    attachment_tip="file1",
    attachment_sequence=1,
    field_name="attachments",
    attachment_status="complete",
    filename="photo.jpg",
    file_size_bytes=12,
    download_completed_at=datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
    download_duration_seconds=0.25,
)


def batch_of(conn: psycopg.Connection, *tips: str) -> queue.Batch:
    with conn.cursor() as cursor:
        cursor.executemany("INSERT INTO noggin_data (tip) VALUES (%s)", [(tip,) for tip in tips])
    return queue.lease(conn, holder=HOLDER, cursor=queue.Cursor(), k=100, lease_s=60)


def done(item: queue.Leased, **changes: object) -> settle.Settlement:
    whole = settle.Settlement(
        token=item.token,
        tip=item.tip,
        gen=item.gen,
        status=Status.COMPLETE,
        retry_count=0,
        worker_id="h/0",
        record=RECORD,
        attachments=(FILE,),
        unknown_hashes=(("vehicle", "f" * 64),),
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def failed(item: queue.Leased, **changes: object) -> settle.Settlement:
    return done(
        item,
        **{
            "status": Status.API_FAILED,
            "retry_count": item.retry_count + 1,
            "retry_in_s": 60.0,
            "record": None,
            "attachments": (),
            "unknown_hashes": (),
            "error_message": "HTTP 500",
            "failures": (
                settle.Failure(
                    error_type="api_failed", message="HTTP 500", details={"status": 500}
                ),
            ),
            **changes,
        },
    )


def tokens(batch: queue.Batch) -> list[queue.LeaseToken]:
    return [batch.token] if batch.token is not None else []


def value(conn: psycopg.Connection, query: str) -> object:
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row and len(row) == 1 else row


def count(conn: psycopg.Connection, tables: Sequence[str]) -> list[object]:
    return [len(conn.execute(f"TABLE {table}".encode()).fetchall()) for table in tables]


def test_settle_writes_record_and_children_and_ends_the_lease(conn: psycopg.Connection) -> None:
    batch = batch_of(conn, "a", "b")
    items = list(batch.items)
    result = settle.settle(conn, [done(items[0]), failed(items[1])], finished=tokens(batch))
    assert result.fates == (settle.Fate.WRITTEN, settle.Fate.WRITTEN)
    assert value(
        conn,
        "SELECT processing_status, lcd_inspection_id, inspection_date::text, straps, no_of_straps,"
        " api_meta_parent[1] = repeat('a', 64), payload->>'n', worker_id"
        " FROM noggin_data WHERE tip = 'a'",
    ) == ("complete", "LCD - 000001", "2025-10-23", True, 4, True, "1", "h/0")
    assert value(
        conn,
        "SELECT processing_status, retry_count, next_retry_at - last_retry_at > interval '50 s',"
        " last_error_message FROM noggin_data WHERE tip = 'b'",
    ) == ("api_failed", 1, True, "HTTP 500")
    assert count(
        conn, ["lease", "later", "ready", "attachments", "unknown_hashes", "processing_errors"]
    ) == [0, 1, 0, 1, 1, 1]


def test_settle_keeps_the_lease_when_only_a_part_is_settled(conn: psycopg.Connection) -> None:
    batch = batch_of(conn, "a", "b")
    settle.settle(conn, [done(batch.items[0])], finished=[])
    assert count(conn, ["lease", "tips_in_flight"]) == [1, 1]
    settle.settle(conn, [done(batch.items[1])], finished=tokens(batch))
    assert count(conn, ["lease"]) == [0]


def test_settle_writes_nothing_when_the_lease_ran_out(conn: psycopg.Connection) -> None:
    batch = batch_of(conn, "a")
    conn.execute("UPDATE lease SET lease_until = clock_timestamp()")
    result = settle.settle(conn, [done(batch.items[0])], finished=tokens(batch))
    assert result.fates == (settle.Fate.LEASE_LOST,)
    assert value(conn, "SELECT processing_status FROM noggin_data") == "pending"
    assert count(conn, ["attachments", "unknown_hashes"]) == [0, 0]


def test_settle_writes_nothing_when_the_lease_was_reaped_and_given_away(
    conn: psycopg.Connection,
) -> None:
    zombie = batch_of(conn, "a")
    conn.execute("UPDATE lease SET lease_until = clock_timestamp()")
    queue.reap(conn, max_attempts=5, backoff_s=1)
    heir = queue.lease(conn, holder=HOLDER, cursor=queue.Cursor(), k=1, lease_s=60)
    late = settle.settle(conn, [done(zombie.items[0])], finished=tokens(zombie))
    good = settle.settle(conn, [done(heir.items[0])], finished=tokens(heir))
    assert (late.fates, good.fates) == ((settle.Fate.LEASE_LOST,), (settle.Fate.WRITTEN,))


EDITS = [
    "UPDATE noggin_data SET processing_status = 'skipped'",
    "UPDATE noggin_data SET next_retry_at = now() + interval '1 day', processing_status = 'failed'",
    "UPDATE noggin_data SET permanently_failed = true",
    "DELETE FROM noggin_data",
]


@pytest.mark.parametrize("edit", EDITS)
def test_settle_lets_the_operator_win_when_the_row_was_edited_in_flight(
    conn: psycopg.Connection, edit: str
) -> None:
    batch = batch_of(conn, "a")
    conn.execute(edit.encode())
    before = conn.execute("SELECT * FROM noggin_data").fetchall()
    result = settle.settle(conn, [done(batch.items[0])], finished=tokens(batch))
    assert result.fates == (settle.Fate.SUPERSEDED,)
    assert conn.execute("SELECT * FROM noggin_data").fetchall() == before
    assert count(conn, ["attachments", "unknown_hashes", "lease"]) == [0, 0, 0]


def test_settle_steps_over_a_locked_row_when_somebody_holds_it(
    conn: psycopg.Connection, migrated: str
) -> None:
    batch = batch_of(conn, "a", "b")
    work = [done(item) for item in batch.items]
    with session.connect(migrated, schema="noggin_schema", application_name="t") as other:
        with other.transaction():
            other.execute("SELECT FROM noggin_data WHERE tip = 'a' FOR UPDATE")
            result = settle.settle(conn, work, finished=tokens(batch))
        assert result.fates == (settle.Fate.LOCKED, settle.Fate.WRITTEN)
        assert count(conn, ["lease"]) == [1]
    again = settle.settle(conn, work[:1], finished=tokens(batch))
    assert again.fates == (settle.Fate.WRITTEN,)
    assert count(conn, ["lease"]) == [0]


POISON = [
    {"no_of_straps": 2**40},
    {"inspection_date": "292278994-08-17"},
    {"payload": {"text": "\x00"}},
    {"api_meta_created_date": "nonsense"},
]


@pytest.mark.parametrize("poison", POISON)
def test_settle_writes_the_others_when_one_row_is_poisoned(
    conn: psycopg.Connection, poison: dict[str, object]
) -> None:
    batch = batch_of(conn, "a", "b", "c")
    a, b, c = batch.items
    work = [done(a), done(b, record={**RECORD, **poison}), done(c)]
    result = settle.settle(conn, work, finished=tokens(batch))
    assert result.fates == (settle.Fate.WRITTEN, settle.Fate.BAD_ROW, settle.Fate.WRITTEN)
    assert set(result.errors) == {1}
    assert count(conn, ["lease"]) == [1]  # the poisoned one is still to be charged under it
    charged = settle.settle(conn, [failed(b)], finished=tokens(batch))
    assert charged.fates == (settle.Fate.WRITTEN,)
    assert count(conn, ["lease"]) == [0]


def test_settle_counts_and_forgives_when_attachments_fail_and_succeed(
    conn: psycopg.Connection,
) -> None:
    broken = dataclasses.replace(FILE, attachment_status="failed", last_error_message="truncated")
    for row, expected in ((broken, 1), (broken, 2), (FILE, 0)):
        conn.execute("DELETE FROM noggin_data")
        batch = batch_of(conn, "a")
        settle.settle(conn, [done(batch.items[0], attachments=(row,))], finished=tokens(batch))
        assert value(conn, "SELECT retry_count FROM attachments") == expected


def test_settle_marks_errors_resolved_when_the_tip_comes_through(conn: psycopg.Connection) -> None:
    batch = batch_of(conn, "a")
    settle.settle(conn, [failed(batch.items[0], retry_in_s=0.0)], finished=tokens(batch))
    conn.execute("UPDATE noggin_data SET next_retry_at = NULL")
    again = queue.lease(conn, holder=HOLDER, cursor=queue.Cursor(), k=1, lease_s=60)
    settle.settle(conn, [done(again.items[0])], finished=tokens(again))
    assert value(conn, "SELECT resolved FROM processing_errors") is True
