"""The gate of one process: waiting, blindness, quarantine, the ramp, and what it tells."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from noggin_mp.domain import breaker, outcome
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from noggin_mp.worker import gate as gates
from noggin_mp.worker import standing, verdicts
from tests.support import gate_bench, postgres
from tests.support.gate_bench import HOST, OPEN_S, ROLE, Bench, Clock
from tests.support.wait import until

BLIND_AFTER_S = standing.BLIND_AFTER_S  # as it is without `sighted`
pytestmark = pytest.mark.usefixtures("sighted")
Make = Callable[..., Bench]
FAIL, OK = outcome.Kind.SERVER_ERROR, outcome.Kind.SUCCESS


@pytest.fixture
def make(migrated: str) -> Iterator[Make]:
    pools = []

    def build(
        *, worker: str = "h/0", blind: bool = False, still: bool = False, **policy: Any
    ) -> Bench:
        pool = session.open_pool(migrated, schema=postgres.SCHEMA, application_name=worker)
        pools.append(pool)
        bench = gate_bench.made(pool, worker=worker, clock=Clock(still=still), **policy)
        if not blind:
            bench.beat()
        return bench

    yield build
    for pool in pools:
        pool.close()


def test_acquire_grants_nothing_before_the_first_beat(make: Make) -> None:
    bench = make(blind=True)
    assert bench.refusal() == ("blind", math.inf)
    bench.beat()
    assert bench.acquire().epoch == 0


def test_acquire_grants_nothing_when_beats_fail_for_three_seconds(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "BLIND_AFTER_S", BLIND_AFTER_S)
    bench = make(still=True)
    bench.clock.ahead = 2.5
    bench.gate.abandon(bench.acquire())
    bench.clock.ahead = 3.5
    assert bench.refusal()[0] == "blind"
    bench.beat()
    bench.clock.ahead += 0.6  # the jitter with which it resumes
    bench.acquire()


def test_acquire_refuses_at_once_when_the_gate_stays_shut_for_longer(
    make: Make, conn: session.Connection
) -> None:
    bench = make()
    store.force(conn, scope=HOST, verb="open", who="me", reason="test", seconds=3000)
    bench.beat()
    reason, remaining_s = bench.refusal(give_up_s=200)
    assert (reason, 2900 < remaining_s <= 3000) == ("closed", True)
    assert 2900 < bench.gate.open_for(ROLE) <= 3000
    assert bench.changes[0].new is breaker.State.FORCED_OPEN
    assert len(bench.changes) == 1


def test_acquire_obeys_the_fleets_pause_and_never_an_older_word_of_it(
    make: Make, conn: session.Connection
) -> None:
    bench = make()
    old = {"scopes": [store.resume_fleet(conn, who="me", reason="")]}
    view = store.pause_fleet(conn, who="me", reason="lunch", seconds=None)
    bench.gate.on_notify(json.dumps(view))
    bench.gate.on_beat(old["scopes"])  # an answer that was under way
    assert bench.refusal(give_up_s=60) == ("paused", math.inf)
    bench.gate.on_notify(json.dumps(store.resume_fleet(conn, who="me", reason="")))
    bench.acquire()


def test_acquire_takes_an_older_row_when_the_database_was_restored(make: Make) -> None:
    bench = make()
    row = {"scope": HOST, "state": "forced_open", "epoch": 9, "remaining_s": 99, "paused_s": 0}
    bench.gate.on_notify(json.dumps(row))
    bench.beat()
    assert bench.refusal()[0] == "closed"
    bench.gate.reconnected()
    bench.beat()
    bench.acquire()


def test_on_notify_ignores_what_it_cannot_read(make: Make) -> None:
    bench = make()
    for payload in ("", "{", "[]", '{"scope": "api.example"}', '{"scope": 1, "state": "?"}'):
        bench.gate.on_notify(payload)
    bench.acquire()


def test_acquire_is_cancelled_when_asked_to(make: Make) -> None:
    bench = make()
    with pytest.raises(gates.Refused) as caught:
        bench.gate.acquire(ROLE, cancelled=lambda: True, give_up_s=9)
    assert caught.value.reason == "cancelled"


def test_waiting_threads_wake_seldom_when_the_gate_stays_shut(
    make: Make, conn: session.Connection
) -> None:
    bench = make()
    asked: set[int] = set()
    done: list[gates.Permit] = []

    def cancelled() -> bool:
        asked.add(threading.get_ident())
        return False

    def wait() -> None:
        done.append(bench.gate.acquire(ROLE, cancelled=cancelled, give_up_s=600))

    store.force(conn, scope=HOST, verb="open", who="me", reason="test", seconds=300)
    bench.beat()
    began = time.monotonic()
    threads = [threading.Thread(target=wait) for _ in range(16)]
    for thread in threads:
        thread.start()
    until(lambda: len(asked) == 16, timeout_s=60, what="each of them waits")
    store.force(conn, scope=HOST, verb="open", who="me", reason="test", seconds=2.2)
    bench.beat()
    for thread in threads:
        thread.join(timeout=60)
    assert len(done) == 16
    seldom = 4 + (time.monotonic() - began) / 5  # they look again now and then
    assert 16 * 2 <= bench.gate.wakeups <= 16 * seldom


def test_report_charges_nobody_when_everything_fails_and_closes_after_the_outage(
    make: Make, conn: session.Connection
) -> None:
    bench = make(fail_max=3)
    verdicts = [bench.send(FAIL, tip=str(n)) for n in range(3)]
    assert [(v.charged, v.why) for v in verdicts] == [
        (False, "doubt"),
        (False, "doubt"),
        (False, "tripped"),
    ]
    assert bench.refusal()[0] == "closed"
    for kind, tip, why in ((FAIL, "p", "probe"), (OK, "q", "ok")):
        bench.wait_out(conn)
        assert bench.send(kind, tip=tip).why == why
    bench.send(OK)
    assert store.show(conn)[0]["state"] == "closed"
    states = [change.new.value for change in bench.changes]
    assert states == ["open", "half_open", "open", "half_open", "closed"]


def test_report_charges_a_poisoned_tip_at_once_when_another_thread_succeeds(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "DOUBT_S", 60.0)  # longer than any of the threads is asleep
    bench = make()
    other = bench.acquire()
    found: list[gates.Verdict] = []
    failing = threading.Thread(target=lambda: found.append(bench.send(FAIL, tip="poison")))
    failing.start()
    until(lambda: bench.gate._standing.alone[ROLE].streak == 1, timeout_s=30)
    assert not found  # it waits for a witness, and one begun before is none
    witness = bench.acquire()
    for permit in (other, witness):
        ok = outcome.Attempt(kind=OK, role=ROLE, reason="ok")
        bench.gate.report(permit, ok, tip="fine")
    failing.join(timeout=30)
    assert [(v.charged, v.why) for v in found] == [(True, "witness")]


def test_report_refuses_a_permit_twice_or_from_elsewhere(make: Make) -> None:
    bench = make()
    permit = bench.acquire()
    ok = outcome.Attempt(kind=OK, role=ROLE, reason="ok")
    bench.gate.report(permit, ok, tip="t")
    with pytest.raises(ValueError, match="back already"):
        bench.gate.report(permit, ok, tip="t")


def test_report_goes_blind_and_raises_nothing_when_the_database_is_lost(make: Make) -> None:
    bench = make(fail_max=1, open_duration_s=50)
    permit = bench.acquire()
    bench.pool.close()
    failed = outcome.Attempt(kind=FAIL, role=ROLE, reason="x")
    verdict = bench.gate.report(permit, failed, tip="t")
    assert (verdict.charged, verdict.why) == (False, "blind")
    assert bench.refusal()[0] == "blind"
    bench.gate.on_beat([])  # it is back; our own breaker has opened meanwhile
    bench.clock.ahead += 1
    assert bench.refusal()[0] == "closed"


def test_quarantine_holds_one_process_and_ends_with_its_own_trial(
    make: Make, conn: session.Connection
) -> None:
    sick, well = make(worker="h/0", fail_max=2), make(worker="h/1", fail_max=2)
    assert well.send(OK).charged
    assert [sick.send(FAIL, tip=str(n)).why for n in range(2)] == ["doubt", "quarantine"]
    assert sick.refusal()[0] == "closed"
    well.acquire()
    sick.clock.ahead += OPEN_S
    trial = sick.acquire(60)
    assert (trial.trial, trial.deadline_s) == (True, 10.0)
    assert sick.refusal()[0] == "closed"  # one at a time
    sick.gate.report(trial, outcome.Attempt(kind=OK, role=ROLE, reason="ok"), tip="t")
    sick.acquire()
    assert store.show(conn)[0]["quarantined"] == 0


def examine(bench: Bench, result: verdicts.Result) -> None:
    until(bench.gate.exams.due, timeout_s=60)
    granted = bench.gate.exams.begin()
    assert granted is not None
    bench.gate.exams.end(*granted, result, reason="x", tip="good")


def test_auth_stop_refuses_at_once_until_the_token_changes_and_then_tries_it_once(
    make: Make,
) -> None:
    bench = make()
    assert bench.send(outcome.Kind.AUTH).why == "auth_stop"
    assert bench.refusal(give_up_s=60) == ("auth_stop", math.inf)
    assert not bench.gate.exams.due()
    bench.token[0] = "wrong"
    assert bench.refusal() == ("closed", math.inf)  # it waits for the test
    assert bench.gate.open_for(ROLE) > 0
    examine(bench, "refused")
    assert bench.refusal(give_up_s=60)[0] == "auth_stop"
    bench.token[0] = "old"
    assert bench.refusal(give_up_s=60)[0] == "auth_stop"
    bench.token[0] = "right"
    examine(bench, "success")
    assert not bench.acquire(60).probe


def test_exam_is_one_for_the_whole_fleet_and_not_repeated_at_once_when_it_taught_nothing(
    make: Make,
) -> None:
    bench, other = make(still=True), make(worker="h/1")
    bench.send(outcome.Kind.AUTH)
    bench.token[0] = other.token[0] = "new"
    other.beat()
    granted = bench.gate.exams.begin()
    assert granted is not None
    assert other.gate.exams.begin() is None
    bench.gate.exams.end(*granted, "inconclusive", reason="http_503", tip="good")
    assert not bench.gate.exams.due()
    assert bench.refusal() == ("closed", math.inf)


def test_abandon_gives_the_probe_to_the_next(make: Make, conn: session.Connection) -> None:
    bench = make(fail_max=1)
    bench.send(FAIL)
    bench.wait_out(conn)
    permit = bench.acquire(60)
    assert permit.probe
    bench.gate.abandon(permit)
    assert store.show(conn)[0]["state"] == "half_open"
    assert bench.acquire(60).probe


def test_ramp_lets_few_go_at_first_when_the_breaker_has_closed(
    make: Make, conn: session.Connection
) -> None:
    bench = make(fail_max=1, success_threshold=1, recovery_ramp_s=1000.0)
    bench.send(FAIL)
    bench.wait_out(conn)
    assert bench.send(OK).why == "ok"
    bench.acquire()
    assert bench.refusal()[0] == "closed"
    bench.clock.ahead += 1  # still far from the second permit, at 250 s
    bench.beat()
    assert bench.refusal()[0] == "closed"


def test_votes_count_each_success_once(make: Make, conn: session.Connection) -> None:
    bench = make()
    for _ in range(3):
        bench.send(OK)
    bench.beat()
    bench.beat()
    [row] = conn.execute("SELECT buckets FROM breaker_votes").fetchall()
    assert sum(ok for _, ok, _, _ in row[0]) == 3
