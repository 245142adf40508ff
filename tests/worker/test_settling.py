"""The settling buffer on real Postgres: when it writes, what it keeps, and what it tells."""

import dataclasses
import time
from collections.abc import Sequence

import psycopg
import pytest

from noggin_mp.domain import retry
from noggin_mp.domain.tip import Status
from noggin_mp.store import queue, session, settle
from noggin_mp.worker import job, settling
from tests.support import job_bench

RECORD = {
    "object_type": "Trailer Audits",
    "object_code": "TA",
    "payload": {},
    "total_attachments": 0,
    "completed_attachment_count": 0,
    "all_attachments_complete": True,
    "has_unknown_hashes": False,
}


def done(item: queue.Leased, **changes: object) -> job.Done:
    """A record that came through."""
    settlement = settle.Settlement(
        token=item.token, tip=item.tip, gen=item.gen, status=Status.COMPLETE, retry_count=0,
        worker_id="h/0", record={**RECORD, **changes},
    )  # fmt: skip
    return job.Done(item=item, settlement=settlement, outcome="complete", started=time.monotonic())


def back(item: queue.Leased) -> job.HandBack:
    """A record that nobody could work on."""
    return job.HandBack(item=item, reason="paused")


def leased(bench: job_bench.Bench, *tips: str) -> Sequence[queue.Leased]:
    """These TIPs under one lease."""
    bench.insert(*tips, code="TA")
    return bench.lease(k=len(tips))


def by_hand(bench: job_bench.Bench) -> list[float]:
    """The buffer's time, which stands still from now on until it is moved."""
    now = [time.monotonic()]
    bench.buffer = settling.Buffer(
        pool=bench.pool, held=bench.held, meters=bench.meters, clock=lambda: now[0],
        decide=lambda _: retry.Dead(attempts=1),
    )  # fmt: skip
    return now


def flush(bench: job_bench.Bench, *results: job.Result) -> None:
    """Add results and settle."""
    bench.buffer.add_all(results)
    bench.buffer.flush(force=True)


def states(bench: job_bench.Bench) -> dict[str, str]:
    """The status of every TIP."""
    rows = bench.rows("SELECT tip, processing_status FROM noggin_data ORDER BY tip")
    return {row["tip"]: row["processing_status"] for row in rows}


def counted(bench: job_bench.Bench, outcome: str) -> float:
    """How many TIPs the metrics know with this outcome."""
    return bench.samples()[f'noggin_tips_total{{outcome="{outcome}",type="TA",worker="0"}}']


def leases(bench: job_bench.Bench) -> list[list[str]]:
    """The TIPs of every lease."""
    return [row["tips"] for row in bench.rows("SELECT tips FROM lease ORDER BY token")]


def test_flush_waits_for_its_time_or_for_a_full_buffer(bench: job_bench.Bench) -> None:
    now = by_hand(bench)
    items = leased(bench, *(f"t{number:03d}" for number in range(settling.MAX_ITEMS + 1)))
    assert bench.buffer.due_in_s() > 1000
    bench.buffer.add_all([done(items[0])])
    assert bench.buffer.due_in_s() == pytest.approx(settling.MAX_AGE_S)
    bench.buffer.flush()
    assert not bench.buffer.empty
    now[0] += settling.MAX_AGE_S
    bench.buffer.flush()
    assert bench.buffer.empty
    bench.buffer.add_all([done(item) for item in items[1:]])
    bench.buffer.flush()
    assert bench.buffer.empty
    assert set(states(bench).values()) == {"complete"}
    assert leases(bench) == []


def test_flush_steps_over_rows_that_somebody_holds(
    bench: job_bench.Bench, conn: session.Connection
) -> None:
    by_hand(bench)
    one, two, three = leased(bench, "a", "b", "c")
    with conn.transaction():
        conn.execute("SELECT FROM noggin_data WHERE tip = 'b' FOR UPDATE")
        flush(bench, done(one), done(two), done(three))
        assert states(bench) == {"a": "complete", "b": "pending", "c": "complete"}
        assert not bench.buffer.empty
        assert 0 < bench.buffer.due_in_s() <= 0.1
        assert (bench.held.outstanding, leases(bench)) == (1, [["a", "b", "c"]])
        flush(bench)
    flush(bench)
    assert states(bench)["b"] == "complete"
    assert (bench.held.outstanding, leases(bench), bench.buffer.empty) == (0, [], True)
    assert counted(bench, "complete") == 3


def test_flush_charges_only_the_row_that_postgres_refuses(bench: job_bench.Bench) -> None:
    good, bad = leased(bench, "a", "b")
    flush(bench, done(good), done(bad, no_of_straps=10**12))
    assert states(bench) == {"a": "complete", "b": "pending"}
    flush(bench)
    row = bench.row("b")
    assert (row["processing_status"], row["retry_count"]) == ("failed", 1)
    assert "out of range" in row["last_error_message"]
    assert [one["error_type"] for one in bench.errors("b")] == ["bad_row"]
    assert (leases(bench), counted(bench, "retried")) == ([], 1)


def test_flush_settles_a_lease_in_parts(bench: job_bench.Bench) -> None:
    one, two, three = leased(bench, "a", "b", "c")
    flush(bench, done(one))
    assert leases(bench) == [["a", "b", "c"]]
    flush(bench, back(two))
    assert leases(bench) == [["a", "c"]]
    assert bench.rows("SELECT tip, gen FROM ready") == [{"tip": "b", "gen": two.gen}]
    flush(bench, done(three))
    assert (leases(bench), bench.held.outstanding) == ([], 0)
    assert (counted(bench, "complete"), counted(bench, "released")) == (2, 1)


def test_flush_drops_the_lease_when_its_last_part_is_handed_back(bench: job_bench.Bench) -> None:
    one, two = leased(bench, "a", "b")
    flush(bench, done(one), back(two))
    assert (leases(bench), bench.held.tokens) == ([], [])


def test_flush_tells_of_a_result_once_when_handing_back_fails(
    bench: job_bench.Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = leased(bench, "a", "b")

    def away(*_: object, **__: object) -> int:
        raise psycopg.OperationalError("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(queue, "release", away)
        with pytest.raises(psycopg.OperationalError):
            flush(bench, done(one), back(two))
    assert not bench.buffer.empty
    flush(bench)
    assert (counted(bench, "complete"), counted(bench, "lease_lost")) == (1, 0)
    assert counted(bench, "released") == 1
    assert bench.rows("SELECT tip FROM ready") == [{"tip": "b"}]


def test_flush_discards_and_counts_when_the_lease_was_lost(bench: job_bench.Bench) -> None:
    one, two, three = leased(bench, "a", "b", "c")
    bench.execute("UPDATE lease SET lease_until = clock_timestamp()")
    flush(bench, done(one), back(two))
    assert states(bench) == dict.fromkeys("abc", "pending")
    assert bench.held.tokens == []  # so that what still runs under it stops
    assert not bench.held.trusted(three.token, time.monotonic())
    assert (counted(bench, "complete"), counted(bench, "lease_lost")) == (0, 1)
    assert bench.samples()['noggin_lease_lost_total{worker="0"}'] == 1


def test_flush_lets_an_edit_in_mid_flight_win(bench: job_bench.Bench) -> None:
    (one,) = leased(bench, "a")
    bench.execute("UPDATE noggin_data SET processing_status = 'skipped'")
    flush(bench, done(one))
    assert states(bench) == {"a": "skipped"}
    assert (leases(bench), counted(bench, "lease_lost")) == ([], 1)
    assert bench.samples()['noggin_lease_lost_total{worker="0"}'] == 0


def test_flush_takes_a_tip_once_when_it_was_leased_again_meanwhile(bench: job_bench.Bench) -> None:
    (one,) = leased(bench, "a")
    bench.execute("UPDATE noggin_data SET gen = gen + 1")  # asked for once more
    (again,) = bench.lease()
    flush(bench, done(one), done(again))
    flush(bench)
    assert states(bench) == {"a": "complete"}
    assert bench.row("a")["gen"] == again.gen + 1
    assert (leases(bench), bench.buffer.empty) == ([], True)


def test_a_settlement_with_a_foreign_gen_writes_no_children(bench: job_bench.Bench) -> None:
    (one,) = leased(bench, "a")
    bench.execute("UPDATE noggin_data SET gen = gen + 1")
    result = done(one)
    failure = settle.Failure(error_type="api_failed", message="HTTP 500")
    settlement = dataclasses.replace(result.settlement, failures=(failure,))
    flush(bench, dataclasses.replace(result, settlement=settlement))
    assert bench.errors("a") == []
