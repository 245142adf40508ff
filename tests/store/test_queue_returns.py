"""The queue on real Postgres: what is fenced, returned, promoted, reconciled."""

import psycopg

from noggin_mp.domain.tip import Tip
from noggin_mp.store import queue, session
from tests.support.queued import HOLDER, add, expire, live, take, tips


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
