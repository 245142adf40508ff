"""The queue on real Postgres: what is filed, leased, fenced, returned, promoted, reconciled."""

import threading
import uuid

import psycopg
import pytest

from noggin_mp.domain.tip import Tip
from noggin_mp.store import queue, session

HOLDER = queue.Holder(host="h", slot=0, instance=str(uuid.uuid4()), boot=1)
LCD = "Load Compliance Check (Driver/Loader)"


def add(conn: psycopg.Connection, *tips: str, status: str = "pending") -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO noggin_data (tip, object_type, processing_status) VALUES (%s, %s, %s)",
            [(tip, LCD, status) for tip in tips],
        )


def take(
    conn: psycopg.Connection, k: int = 100, *, alone: bool = False, **holder: object
) -> queue.Batch:
    cursor = queue.Cursor([queue.SUSPECTS] if alone else queue.PRIORITIES)
    who = queue.Holder(**{"host": "h", "slot": 0, "instance": HOLDER.instance, "boot": 1, **holder})
    return queue.lease(conn, holder=who, cursor=cursor, k=k, lease_s=60)


def tips(batch: queue.Batch) -> list[str]:
    return [item.tip for item in batch.items]


def live(conn: psycopg.Connection) -> dict[str, int]:
    """How many live entries each TIP has, over ready, later and lease: never more than one."""
    rows = conn.execute(
        "SELECT d.tip, count(e.tip) FROM noggin_data d LEFT JOIN ("
        " SELECT tip, gen FROM ready UNION ALL SELECT tip, gen FROM later"
        " UNION ALL SELECT unnest(tips), unnest(gens) FROM lease) e"
        " ON e.tip = d.tip AND e.gen = d.gen GROUP BY d.tip"
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def expire(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE lease SET lease_until = clock_timestamp() - interval '1 s'")


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


def test_release_hands_back_under_the_old_gen_when_only_some_are_named(
    conn: psycopg.Connection,
) -> None:
    add(conn, "a", "b", "c")
    batch = take(conn)
    assert batch.token is not None
    gens = {item.tip: item.gen for item in batch.items}
    assert queue.release(conn, token=batch.token, tips=[Tip("a"), Tip("c")]) == 2
    assert live(conn) == {"a": 1, "b": 1, "c": 1}
    again = take(conn)
    assert {item.tip: item.gen for item in again.items} == {"a": gens["a"], "c": gens["c"]}
    assert queue.release(conn, token=batch.token) == 1
    assert conn.execute(
        "SELECT count(*) FROM lease WHERE token = %s", (batch.token,)
    ).fetchone() == (0,)


def test_release_says_lost_when_the_lease_ran_out(conn: psycopg.Connection) -> None:
    add(conn, "a")
    batch = take(conn)
    assert batch.token is not None
    expire(conn)
    assert queue.release(conn, token=batch.token) == -1
    assert live(conn) == {"a": 1}


def test_renew_names_only_living_leases_when_one_ran_out(conn: psycopg.Connection) -> None:
    add(conn, "a", "b")
    first, second = take(conn, 1), take(conn, 1)
    assert first.token is not None and second.token is not None
    conn.execute(
        "UPDATE lease SET lease_until = clock_timestamp() WHERE token = %s", (first.token,)
    )
    kept = queue.renew(conn, tokens=[first.token, second.token], lease_s=60)
    assert kept == {second.token}


def test_reap_returns_uncharged_when_a_lease_ran_out(conn: psycopg.Connection) -> None:
    add(conn, "a", "b")
    take(conn)
    assert queue.reap(conn, max_attempts=5, backoff_s=60).tips == 0
    expire(conn)
    assert queue.reap(conn, max_attempts=5, backoff_s=60) == queue.Returned(
        leases=1, tips=2, charged=0
    )
    rows = conn.execute(
        "SELECT processing_status, retry_count, interruptions, permanently_failed FROM noggin_data"
    ).fetchall()
    assert rows == [("interrupted", 0, 1, False)] * 2
    assert live(conn) == {"a": 1, "b": 1}
    assert tips(take(conn)) == ["a", "b"]


def test_reap_leaves_a_locked_row_for_the_next_turn_when_somebody_holds_it(
    conn: psycopg.Connection, migrated: str
) -> None:
    add(conn, "a", "b")
    take(conn)
    expire(conn)
    with (
        session.connect(migrated, schema="noggin_schema", application_name="t") as other,
        other.transaction(),
    ):
        other.execute("SELECT FROM noggin_data WHERE tip = 'a' FOR UPDATE")
        assert queue.reap(conn, max_attempts=5, backoff_s=60).tips == 1
        assert live(conn) == {"a": 1, "b": 1}
    assert queue.reap(conn, max_attempts=5, backoff_s=60).tips == 1
    assert conn.execute("SELECT count(*) FROM lease").fetchone() == (0,)
    assert live(conn) == {"a": 1, "b": 1}


def test_reap_charges_a_killer_only_when_it_died_alone(conn: psycopg.Connection) -> None:
    add(conn, "killer", "victim")
    for _ in range(2):
        take(conn)
        expire(conn)
        queue.reap(conn, max_attempts=2, backoff_s=0)
    assert tips(take(conn)) == []  # both are suspects now: nobody leases them in company
    charged = []
    for _ in range(2):
        queue.promote(conn)
        batch = take(conn, 1, alone=True)
        assert len(batch.items) == 1
        if batch.items[0].tip == "killer":
            expire(conn)
            charged.append(queue.reap(conn, max_attempts=2, backoff_s=0).charged)
    row = conn.execute(
        "SELECT retry_count, permanently_failed FROM noggin_data WHERE tip = 'killer'"
    ).fetchone()
    assert (charged, row) == ([1], (1, False))
    queue.promote(conn)
    assert tips(take(conn, 1, alone=True)) == ["killer"]
    expire(conn)
    conn.execute("DELETE FROM lease WHERE 'victim' = ANY (tips)")
    queue.reap(conn, max_attempts=2, backoff_s=0)
    row = conn.execute(
        "SELECT retry_count, permanently_failed FROM noggin_data WHERE tip = 'killer'"
    ).fetchone()
    assert row == (2, True)


def test_adopt_returns_the_predecessors_leases_when_the_boot_is_newer(
    conn: psycopg.Connection,
) -> None:
    add(conn, "a", "b", "c")
    take(conn, 1, boot=1)
    take(conn, 1, boot=1, slot=1)
    take(conn, 1, boot=2)
    heir = queue.Holder(host="h", slot=0, instance=HOLDER.instance, boot=2)
    assert queue.adopt(conn, holder=heir, max_attempts=5, backoff_s=60).tips == 1
    assert tips(take(conn)) == ["a"]


def test_promote_moves_due_retries_when_their_time_has_come(conn: psycopg.Connection) -> None:
    add(conn, "now", "stale", "later", status="complete")
    conn.execute(
        "UPDATE noggin_data SET processing_status = 'failed', next_retry_at = clock_timestamp() + "
        " CASE tip WHEN 'later' THEN interval '2 h' ELSE interval '1 h' END"
    )
    conn.execute("UPDATE noggin_data SET processing_status = 'skipped' WHERE tip = 'stale'")
    assert queue.promote(conn).promoted == 0
    conn.execute("UPDATE later SET run_at = clock_timestamp() WHERE tip <> 'later'")
    moved = queue.promote(conn)
    assert (moved.taken, moved.promoted) == (2, 1)
    assert moved.next_run_at is not None
    assert tips(take(conn)) == ["now"]


def test_reconcile_files_lost_rows_once_when_entries_are_missing(conn: psycopg.Connection) -> None:
    add(conn, "ready", "lost", "leased")
    conn.execute("DELETE FROM ready WHERE tip IN ('lost', 'leased')")
    conn.execute(
        "INSERT INTO lease (host, slot, instance, boot, lease_until, tips, gens, prios)"
        " SELECT 'h', 0, %s, 1, now() + interval '1 min', array_agg(tip), array_agg(gen), '{5}'"
        " FROM noggin_data WHERE tip = 'leased'",
        (HOLDER.instance,),
    )
    assert queue.reconcile(conn) == 1
    assert live(conn) == {"ready": 1, "lost": 1, "leased": 1}
    assert queue.reconcile(conn) == 0


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
