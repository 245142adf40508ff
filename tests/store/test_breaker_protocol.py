"""The breaker's SQL functions, one step of the protocol after another, on real sessions."""

import dataclasses
import json
from typing import Any

import psycopg
import pytest

from noggin_mp.domain import breaker
from noggin_mp.store import breaker as store
from noggin_mp.store import history, session
from tests.support.stores import Make
from tests.support.wait import until

HOST = "api.example"
API = "api.example:api"
POLICY = breaker.Policy(open_duration_s=0.05, open_jitter=0, probe_deadline_s=0.2, fail_max=3)


def fail(of: store.Store, tip: str, *, epoch: int = 0, **values: Any) -> dict[str, Any]:
    policy = values.pop("policy", POLICY)
    tally = store.Tally(failed=1, **values)
    return of.report(scope=API, epoch=epoch, tip=tip, reason="x", tally=tally, policy=policy)


def trip(of: store.Store) -> dict[str, Any]:
    for number in range(POLICY.fail_max):
        row = fail(of, f"t{number}")
    return row


def end(probe: store.Probe, result: str, *, tip: str = "t", token: str = "") -> dict[str, Any]:
    return probe.done(result=result, fingerprint=token, tip=tip, reason="x", policy=POLICY)


def seize(of: store.Store, policy: breaker.Policy = POLICY) -> store.Probe:
    return until(lambda: of.try_probe(scope=API, fingerprint="", policy=policy)[1], timeout_s=60)


def types(conn: session.Connection) -> list[str]:
    return [row["event_type"] for row in reversed(history.events(conn, limit=100))]


def test_report_trips_once_when_many_fail_at_the_same_epoch(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    charges = [fail(of, f"{of.worker}{n}")["charge"] for n in range(3) for of in (a, b)]
    assert charges == ["doubt", "doubt", "tripped", "stale", "stale", "stale"]
    assert types(conn) == ["trip"]
    [row] = store.show(conn)
    assert (row["state"], row["epoch"] > 0, row["open_count"]) == ("open", True, 1)


def test_report_only_records_when_the_mode_is_observe(
    worker: Make, conn: session.Connection
) -> None:
    policy = breaker.Policy(fail_max=1, mode="observe")
    assert fail(worker("h/0"), "t", policy=policy)["charge"] == "doubt"
    assert types(conn) == ["would_trip"]
    assert store.show(conn)[0]["state"] == "closed"


def test_report_charges_a_poisoned_tip_when_others_succeed_after_it(worker: Make) -> None:
    of = worker("h/0")
    assert fail(of, "poison")["charge"] == "doubt"
    of.recovered(scope=API, epoch=0, tally=store.Tally(ok=1, ok_age_s=0.0), policy=POLICY)
    assert fail(of, "poison")["charge"] == "witness"
    assert fail(of, "poison")["charge"] == "doubt"  # nobody testified since
    of.recovered(scope=API, epoch=0, tally=store.Tally(ok=1, ok_age_s=3600.0), policy=POLICY)
    assert fail(of, "other")["charge"] == "doubt"


def test_report_takes_others_successes_as_no_witness_when_only_one_worker_fails(
    worker: Make,
) -> None:
    sick, well = worker("h/0"), worker("h/1")
    policy = breaker.Policy(fail_max=9)
    charges = []
    for _ in range(4):
        charges.append(fail(sick, "t", policy=policy)["charge"])
        well.recovered(scope=API, epoch=0, tally=store.Tally(ok=5, ok_age_s=0.0), policy=policy)
    assert charges == ["doubt"] * 4
    assert fail(well, "t", policy=policy)["charge"] == "witness"  # two workers agree about it


def test_report_charges_a_tip_when_it_fails_three_times_all_alone(
    worker: Make, conn: session.Connection
) -> None:
    of, policy = worker("h/0"), breaker.Policy(fail_max=5, sample_size=1000)
    charges = [fail(of, "poison", policy=policy)["charge"] for _ in range(9)]
    assert charges == ["doubt", "doubt", "alone"] * 3
    assert store.show(conn)[0]["state"] == "closed"  # one TIP is no outage


def test_quarantine_takes_one_worker_out_when_it_fails_alone_among_several(
    worker: Make, conn: session.Connection
) -> None:
    sick, well = worker("h/0"), worker("h/1")
    well.recovered(scope=API, epoch=0, tally=store.Tally(ok=50, ok_age_s=0.0), policy=POLICY)
    charges = [fail(sick, f"t{n}")["charge"] for n in range(4)]
    assert charges == ["doubt", "doubt", "quarantine", "quarantine"]
    assert fail(well, "z")["charge"] == "doubt"  # the sick one's streak does not help to trip
    assert types(conn) == ["quarantine"]
    sick.recovered(scope=API, epoch=0, tally=store.Tally(ok=1), policy=POLICY)
    assert store.show(conn)[0]["quarantined"] == 0


def test_probe_goes_to_exactly_one_session_and_closes_after_serial_successes(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    trip(a)
    first = seize(a, dataclasses.replace(POLICY, probe_deadline_s=600))
    row, second = b.try_probe(scope=API, fingerprint="", policy=POLICY)
    assert (second, row["why"]) == (None, "not due")
    assert end(first, "success")["state"] == "half_open"
    assert end(seize(b), "success")["state"] == "closed"
    assert types(conn) == ["trip", "half_open", "probe", "probe", "close"]
    assert store.show(conn)[0]["open_count"] == 0


def test_probe_is_refused_when_its_lease_is_over_but_its_session_lives(worker: Make) -> None:
    a, b = worker("h/0"), worker("h/1")
    trip(a)
    slow = seize(a)
    row = until(
        lambda: next(
            (
                r
                for r, _ in [b.try_probe(scope=API, fingerprint="", policy=POLICY)]
                if r["why"] == "held"
            ),
            None,
        ),
        timeout_s=60,
    )
    assert row["granted"] is False
    assert end(slow, "failure")["state"] == "open"  # still its own: nobody took over
    end(seize(b), "inconclusive")


def test_probe_is_granted_anew_when_the_session_of_its_holder_died(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    trip(a)
    seize(a)
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'h/0' AND datname = current_database()"
    )
    probe = seize(b)
    assert end(probe, "failure")["state"] == "open"


def test_probe_done_changes_nothing_when_its_epoch_is_stale(
    worker: Make, conn: session.Connection
) -> None:
    of = worker("h/0")
    trip(of)
    probe = seize(of)
    store.force(conn, scope=API, verb="open", who="me", reason="test", seconds=60)
    assert end(probe, "success")["charge"] == "stale"
    assert store.show(conn)[0]["state"] == "forced_open"


def test_probe_failures_escalate_and_charge_only_when_one_tip_is_all_there_is(
    worker: Make, conn: session.Connection
) -> None:
    of = worker("h/0")
    trip(of)
    charges = [end(seize(of), "failure", tip=tip)["charge"] for tip in "aabaaa"]
    assert charges == ["probe"] * 5 + ["alone"]
    assert store.show(conn)[0]["open_count"] == 7


def test_pause_never_shortens_and_is_one_event_when_many_say_so(
    worker: Make, conn: session.Connection
) -> None:
    of = worker("h/0")
    of.pause(scope=HOST, seconds=30, tip="a", reason="http_429")
    first = store.show(conn)[0]["until"]
    assert of.pause(scope=HOST, seconds=5, tip="b", reason="http_429")["state"] == "paused"
    assert store.show(conn)[0]["until"] == first
    of.pause(scope=HOST, seconds=30, tip="c", reason="http_429")
    assert store.show(conn)[0]["until"] > first
    assert types(conn) == ["pause"]


def test_pause_is_over_when_its_time_is_up_without_any_writer(
    worker: Make, conn: session.Connection
) -> None:
    worker("h/0").pause(scope=HOST, seconds=0.05, tip="a", reason="http_429")
    until(lambda: store.show(conn)[0]["state"] == "closed", timeout_s=60)


def test_pause_charges_the_third_429_of_a_tip_when_others_succeeded_since(worker: Make) -> None:
    of = worker("h/0")
    charge = [of.pause(scope=HOST, seconds=0.01, tip="x", reason="r")["charge"] for _ in range(3)]
    assert charge == ["paused"] * 3
    of.recovered(scope=API, epoch=0, tally=store.Tally(ok=1, ok_age_s=0.0), policy=POLICY)
    assert of.pause(scope=HOST, seconds=0.01, tip="x", reason="r")["charge"] == "throttled"


def test_force_is_audited_and_announced_once(worker: Make, conn: session.Connection) -> None:
    conn.execute("LISTEN noggin_breaker")
    store.force(conn, scope=HOST, verb="open", who="ann@host", reason="deploy", seconds=300)
    [note] = list(conn.notifies(timeout=60, stop_after=1))
    seen = json.loads(note.payload)
    assert (seen["scope"], seen["state"]) == (HOST, "forced_open")
    assert 299 < seen["remaining_s"] <= 300
    [row] = conn.execute("SELECT who, action, target, reason FROM audit_log").fetchall()
    assert row == ("ann@host", "breaker open", HOST, "deploy")


def test_fleet_pause_versions_grow_and_an_open_end_is_no_end(conn: session.Connection) -> None:
    paused = store.pause_fleet(conn, who="a", reason="r", seconds=None)
    assert (paused["state"], paused["paused_s"]) == ("paused", None)
    resumed = store.resume_fleet(conn, who="a", reason="")
    assert (resumed["state"], resumed["paused_s"]) == ("closed", 0)
    assert resumed["epoch"] > paused["epoch"]


def beat(conn: session.Connection, *, boot: int = 1, votes: Any = None) -> dict[str, Any]:
    return store.beat(
        conn,
        host="h",
        slot=0,
        instance="6b1c1d5e-0b5c-4b0e-9a53-3d2f7f4d8c11",
        boot=boot,
        pid=1,
        state="running",
        busy=1,
        tip="t",
        votes=votes,
    )


def test_beat_signs_for_the_worker_and_brings_what_its_gate_must_know(
    worker: Make, conn: session.Connection
) -> None:
    trip(worker("h/0"))
    first, again = beat(conn), beat(conn)
    assert again["now"] >= first["now"]
    assert (first["paused"], first["pause_reason"], first["suspects"]) == (False, None, False)
    assert {row["scope"]: row["state"] for row in first["scopes"]} == {API: "open", "*": "closed"}
    row = conn.execute("SELECT count(*), min(started_at) < min(heartbeat_at) FROM fleet_workers")
    assert row.fetchone() == (1, True)


def test_beat_of_a_predecessor_does_not_sign_for_its_successor(conn: session.Connection) -> None:
    beat(conn, boot=5)
    beat(conn, boot=4)
    assert conn.execute("SELECT boot FROM fleet_workers").fetchone() == (5,)


def test_beat_trips_when_its_successes_complete_the_sample(
    worker: Make, conn: session.Connection
) -> None:
    policy = breaker.Policy(fail_max=100, sample_size=4)
    of = worker("h/0")
    for tip in "ab":
        fail(of, tip, policy=policy)
    vote = {"scope": API, "epoch": 0, "ok": 2, "failed": 0, "slow": 0, "ok_age_s": 0.1}
    vote |= {"window_s": policy.window_s, "policy": policy.as_dict()}
    reply = beat(conn, votes=[vote])
    assert {row["scope"]: row["state"] for row in reply["scopes"]}[API] == "open"


def test_store_raises_unreachable_when_the_database_is_gone(worker: Make) -> None:
    of = worker("h/0")
    of.pool.close()
    with pytest.raises((store.Unreachable, psycopg.Error)):
        fail(of, "t")
