"""The queue on real Postgres: what is filed by triggers, and what is leased, in which order."""

import threading

import psycopg
import pytest

from noggin_mp.domain.tip import Tip
from noggin_mp.store import queue, session
from tests.support.queued import HOLDER, add, live, take, tips


def test_lease_gives_first_in_first_out_when_priorities_are_equal(conn: psycopg.Connection) -> None:
    add(conn, "b", "a", "c")
    assert tips(take(conn)) == ["b", "a", "c"]


def test_lease_gives_what_people_asked_for_first_when_priorities_differ(
    conn: psycopg.Connection,
) -> None:
    for status in ("pending", "api_failed", "partial", "interrupted", "failed"):
        add(conn, f"in-{status}", status=status)
    add(conn, "asked", status="complete")
    conn.execute("UPDATE noggin_data SET processing_status = 'pending' WHERE tip = 'asked'")
    assert tips(take(conn)) == [
        "asked", "in-failed", "in-interrupted", "in-partial", "in-api_failed", "in-pending",
    ]  # fmt: skip


EDITS: list[tuple[str, str, int]] = [
    # (what an operator does to a complete row, where its entry must be, live entries)
    ("UPDATE noggin_data SET processing_status = 'pending'", "ready", 1),
    (
        "UPDATE noggin_data SET processing_status = 'pending', next_retry_at = now() + '1 h'",
        "ready",
        1,
    ),
    (
        "UPDATE noggin_data SET processing_status = 'failed', next_retry_at = now() + '1 h'",
        "later",
        1,
    ),
    (
        "UPDATE noggin_data SET processing_status = 'failed', next_retry_at = '2000-01-01'",
        "ready",
        1,
    ),
    ("UPDATE noggin_data SET processing_status = 'skipped'", "", 0),
    ("UPDATE noggin_data SET processing_status = 'failed', permanently_failed = true", "", 0),
    ("UPDATE noggin_data SET archived = true", "", 0),
    (
        "INSERT INTO noggin_data (tip, processing_status) VALUES ('x', 'pending')"
        " ON CONFLICT (tip) DO UPDATE SET processing_status = excluded.processing_status",
        "ready",
        1,
    ),
]


@pytest.mark.parametrize(("edit", "table", "entries"), EDITS)
def test_triggers_file_a_row_once_when_an_operator_edits_it(
    conn: psycopg.Connection, edit: str, table: str, entries: int
) -> None:
    add(conn, "x", status="complete")
    conn.execute(edit.encode())
    assert live(conn)["x"] == entries
    if table:
        assert len(conn.execute(f"TABLE {table}".encode()).fetchall()) == 1
    conn.execute(edit.encode())  # a double edit is harmless
    assert live(conn)["x"] <= 1


def test_triggers_requeue_a_dead_letter_when_it_is_forgiven(conn: psycopg.Connection) -> None:
    add(conn, "x", status="failed")
    conn.execute("UPDATE noggin_data SET permanently_failed = true")
    assert tips(take(conn)) == []
    conn.execute("UPDATE noggin_data SET permanently_failed = false")
    assert tips(take(conn)) == ["x"]


def test_triggers_requeue_at_once_when_next_retry_at_is_cleared(conn: psycopg.Connection) -> None:
    add(conn, "x", status="complete")
    conn.execute(
        "UPDATE noggin_data SET processing_status = 'failed', next_retry_at = now() + '1 h'"
    )
    assert tips(take(conn)) == []
    conn.execute("UPDATE noggin_data SET next_retry_at = NULL")
    assert tips(take(conn)) == ["x"]
    assert live(conn) == {"x": 1}


def test_triggers_notify_once_when_many_rows_become_ready(conn: psycopg.Connection) -> None:
    conn.execute("LISTEN noggin_queue")
    with conn.cursor() as cursor, cursor.copy("COPY noggin_data (tip) FROM STDIN") as copy:
        for number in range(1000):
            copy.write_row([f"t{number}"])
    heard = [note.payload for note in conn.notifies(timeout=0.5)]
    assert heard == [""]


def test_lease_drops_stale_entries_when_rows_were_skipped_or_deleted(
    conn: psycopg.Connection,
) -> None:
    add(conn, "gone", "skipped", "stays")
    conn.execute("DELETE FROM noggin_data WHERE tip = 'gone'")
    conn.execute("UPDATE noggin_data SET processing_status = 'skipped' WHERE tip = 'skipped'")
    batch = take(conn)
    assert (tips(batch), batch.taken) == (["stays"], 3)


def test_lease_ignores_the_old_entry_when_a_row_is_deleted_and_imported_again(
    conn: psycopg.Connection,
) -> None:
    add(conn, "x")
    conn.execute("DELETE FROM noggin_data WHERE tip = 'x'")
    add(conn, "x")
    assert tips(take(conn)) == ["x"]
    assert tips(take(conn)) == []


def test_lease_shares_every_tip_exactly_once_when_workers_race(
    conn: psycopg.Connection, migrated: str
) -> None:
    wanted = {f"t{number:04}" for number in range(2000)}
    add(conn, *sorted(wanted))
    taken: list[str] = []
    guard = threading.Lock()

    def work(slot: int) -> None:
        with session.connect(migrated, schema="noggin_schema", application_name="t") as own:
            cursor = queue.Cursor()
            who = queue.Holder(host="h", slot=slot, instance=HOLDER.instance, boot=1)
            empty = 0
            while empty < 3:
                batch = queue.lease(own, holder=who, cursor=cursor, k=7, lease_s=60)
                empty = 0 if batch.taken else empty + 1
                if not batch.taken:
                    cursor.reset()
                with guard:
                    taken.extend(item.tip for item in batch.items)

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert len(taken) == len(wanted)
    assert set(taken) == wanted


def test_cursor_finds_returned_entries_when_it_is_reset(conn: psycopg.Connection) -> None:
    add(conn, "a", "b")
    cursor = queue.Cursor()
    batch = queue.lease(conn, holder=HOLDER, cursor=cursor, k=10, lease_s=60)
    assert batch.token is not None
    conn.execute("INSERT INTO ready SELECT 5, 1, tip, gen FROM noggin_data WHERE tip = 'a'")
    assert queue.lease(conn, holder=HOLDER, cursor=cursor, k=10, lease_s=60).taken == 0
    head = queue.publish_head(conn)
    cursor.reset(head)
    assert queue.lease(conn, holder=HOLDER, cursor=cursor, k=10, lease_s=60).taken == 1


def test_lease_one_takes_the_named_tip_when_it_is_complete(conn: psycopg.Connection) -> None:
    add(conn, "x", status="complete")
    batch = queue.lease_one(conn, holder=HOLDER, tip=Tip("x"), lease_s=60)
    assert batch is not None and tips(batch) == ["x"]
    assert live(conn) == {"x": 1}
    busy = queue.lease_one(conn, holder=HOLDER, tip=Tip("x"), lease_s=60)
    assert busy is not None and tips(busy) == []
    assert queue.lease_one(conn, holder=HOLDER, tip=Tip("nobody"), lease_s=60) is None


def test_update_of_many_rows_stays_linear_when_the_first_was_of_one(
    conn: psycopg.Connection,
) -> None:
    """The trigger's plan is cached from one row; a nested loop would take minutes for these."""
    conn.execute("INSERT INTO noggin_data (tip) SELECT 't' || n FROM generate_series(1, 30000) n")
    conn.execute("UPDATE noggin_data SET processing_status = 'skipped' WHERE tip = 't1'")
    conn.execute("UPDATE noggin_data SET processing_status = 'pending' WHERE tip = 't1'")
    conn.execute("SET statement_timeout = '60s'")
    conn.execute("UPDATE noggin_data SET processing_status = 'failed'")
    assert conn.execute("SELECT count(*) FROM ready WHERE prio = 1").fetchone() == (30000,)


def test_tokens_are_those_held_and_the_last_one_issued(conn: psycopg.Connection) -> None:
    assert queue.tokens(conn) == (frozenset(), 0)
    add(conn, "a", "b")
    first, second = take(conn, 1).token, take(conn, 1).token
    assert first is not None
    queue.release(conn, token=first)
    assert queue.tokens(conn) == (frozenset({second}), second)
