"""Requests to hosts on a real database: who is asked, who has answered, what nobody obeys."""

import time
import uuid
from typing import Any

import psycopg
import pytest

from noggin_mp.store import fleet, queue, requests, session
from tests.support import postgres

ONE, TWO = str(uuid.uuid4()), str(uuid.uuid4())


def identity(host: str = "a", instance: str = ONE) -> requests.Identity:
    return requests.Identity(host=host, instance=instance, version="1", output=f"/out/{host}")


def present(conn: session.Connection, host: str = "a", age_s: float = 60.0, **facts: Any) -> Any:
    return requests.present(conn, identity(host), facts=facts, age_s=age_s)


def ask(
    conn: session.Connection, verb: str = "reload", host: str | None = None, **more: Any
) -> int:
    given = {"who": "ann@desk", "reason": "why", "seconds": 600.0, **more}
    return requests.ask(conn, verb=verb, host=host, **given)


def states(conn: session.Connection) -> dict[str, str]:
    return {host: state for host, (state, _) in fleet.states(conn).items()}


def test_request_waits_for_its_host_until_that_has_answered(conn: session.Connection) -> None:
    present(conn, "a"), present(conn, "b")
    number = ask(conn, "scale", "a", workers=7)
    assert present(conn, "b") == []
    [found] = present(conn, "a")
    assert (found.id, found.verb, found.args) == (number, "scale", {"workers": 7})
    assert (found.who, found.reason, found.late) == ("ann@desk", "why", False)
    assert 500 < found.expires_in_s <= 600
    requests.take(conn, request=number, host="a")
    assert [one.id for one in present(conn, "a")] == [number]  # taken, and not answered yet
    requests.answer(conn, request=number, host="a", ok=True, detail={"workers": 7})
    requests.answer(conn, request=number, host="a", ok=False, detail={"error": "again"})
    assert present(conn, "a") == []
    [answer] = requests.answers(conn, [number])
    assert (answer["host"], answer["ok"], answer["detail"]) == ("a", True, {"workers": 7})


def test_request_of_all_waits_for_each_host_by_itself(conn: session.Connection) -> None:
    present(conn, "a"), present(conn, "b")
    number = ask(conn)
    requests.answer(conn, request=number, host="a", ok=True, detail={})
    assert present(conn, "a") == []
    assert [one.id for one in present(conn, "b")] == [number]
    [waiting] = requests.outstanding(conn)
    assert (waiting["host"], waiting["answered"]) == ("all", ["a"])
    requests.answer(conn, request=number, host="b", ok=True, detail={})
    assert requests.outstanding(conn) == []


def test_nobody_obeys_a_request_that_has_expired(conn: session.Connection) -> None:
    present(conn, "a")
    ask(conn, "drain", "a")
    conn.execute("UPDATE fleet_requests SET expires_at = clock_timestamp() - interval '1 ms'")
    assert present(conn, "a") == []
    assert requests.outstanding(conn) == []


def test_request_is_late_for_a_supervisor_that_was_started_after_it(
    conn: session.Connection,
) -> None:
    present(conn, "a", age_s=60)
    ask(conn, "drain", "a")
    conn.execute("UPDATE fleet_requests SET created_at = created_at - interval '20 s'")
    assert [one.late for one in present(conn, "a", age_s=60)] == [False]
    assert [one.late for one in present(conn, "a", age_s=10)] == [True]


@pytest.mark.parametrize(
    ("verb", "more", "says"),
    [
        ("stop", {}, "there is no request stop; known: drain, scale, reload"),
        (None, {}, "there is no request null"),
        ("scale", {}, "workers must be 1 to 512, not null"),
        ("scale", {"workers": 0}, "workers must be 1 to 512, not 0"),
        ("scale", {"workers": -3}, "workers must be 1 to 512, not -3"),
        ("scale", {"workers": 513}, "workers must be 1 to 512, not 513"),
        ("drain", {"seconds": -5.0}, "seconds must be more than 0 and at most 31622400, not -5"),
        ("drain", {"seconds": float("nan")}, "seconds must be .* not NaN"),
        ("drain", {"seconds": float("inf")}, "seconds must be .* not Infinity"),
        ("drain", {"seconds": None}, "seconds must be .* not null"),
        ("drain", {"host": "nobody"}, "no host called nobody has ever signed in; known: a"),
    ],
)
def test_request_that_makes_no_sense_is_refused(
    conn: session.Connection, verb: str, more: dict[str, Any], says: str
) -> None:
    present(conn, "a")
    with pytest.raises(psycopg.Error, match=says):
        ask(conn, verb, **more)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("(verb) VALUES ('stop')", "fleet_requests_verb_known"),
        ("(verb) VALUES ('scale')", "fleet_requests_size"),
        ("(verb, args) VALUES ('reload', '[1]')", "fleet_requests_args"),
        ("(verb, args) VALUES ('reload', 'null')", "fleet_requests_args"),
        ("(verb, expires_at) VALUES ('reload', 'infinity')", "fleet_requests_times"),
        ("(verb, expires_at) VALUES ('reload', '9999-12-31')", "fleet_requests_times"),
        ("(verb, created_at) VALUES ('reload', '-infinity')", "fleet_requests_times"),
    ],
)
def test_plain_insert_is_refused_when_hosts_could_not_read_it(
    conn: session.Connection, row: str, says: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match=says):
        conn.execute(f"INSERT INTO fleet_requests {row}".encode())


def test_request_without_the_tables_checks_stops_no_host(conn: session.Connection) -> None:
    conn.execute(
        "ALTER TABLE fleet_requests DROP CONSTRAINT fleet_requests_args,"
        " DROP CONSTRAINT fleet_requests_times"
    )
    # Postgres before 17 cannot subtract from infinity: there the checks are what protects hosts.
    until = "infinity" if conn.info.server_version >= 170_000 else "9999-12-31"
    conn.execute(
        "INSERT INTO fleet_requests (verb, args, expires_at) VALUES ('reload', '[1]', %s)", (until,)
    )
    [found] = present(conn)
    assert (found.verb, found.args, found.workers) == ("reload", {}, None)
    assert found.expires_in_s > 1e9


@pytest.mark.parametrize("written", ['{"workers": 7}', '{"workers": "7"}'])
def test_number_of_workers_is_read_however_it_was_written(
    conn: session.Connection, written: str
) -> None:
    conn.execute("INSERT INTO fleet_requests (verb, args) VALUES ('scale', %s)", (written,))
    assert [one.workers for one in present(conn)] == [7]


def test_plain_insert_is_announced_audited_and_waits_as_any_other(
    conn: session.Connection, migrated: str
) -> None:
    present(conn, "a"), present(conn, "b")
    with session.connect(migrated, schema=postgres.SCHEMA, application_name="ear") as ear:
        ear.execute("LISTEN noggin_fleet")
        conn.execute("INSERT INTO fleet_requests (verb, reason) VALUES ('drain', 'the end')")
        [note] = ear.notifies(timeout=60, stop_after=1)
    assert note.payload == postgres.SCHEMA
    assert [one.verb for one in present(conn, "b")] == ["drain"]
    row = conn.execute("SELECT action, target, reason, affected FROM audit_log").fetchone()
    assert row == ("fleet drain", "all hosts", "the end", 2)


def test_function_for_psql_takes_names_and_gives_the_number(conn: session.Connection) -> None:
    present(conn, "a")
    row = conn.execute(
        "SELECT fleet_request('scale', workers => 3, host => 'a', reason => 'slow')"
    ).fetchone()
    assert row is not None
    assert [one.id for one in present(conn, "a")] == [row[0]]


def test_host_is_up_silent_gone_and_up_again_by_its_beats(conn: session.Connection) -> None:
    present(conn, "a", phase="running")
    assert states(conn) == {"a": "up"}
    for age, expected in (("11 s", "silent"), ("6 min", "gone")):
        conn.execute(
            "UPDATE fleet_hosts SET heartbeat_at = clock_timestamp() - %s::interval", (age,)
        )
        assert states(conn) == {"a": expected}
    present(conn, "a", phase="draining")
    assert states(conn) == {"a": "draining"}


def test_host_is_stopped_when_it_signed_off_and_no_worker_beats(conn: session.Connection) -> None:
    present(conn, "a")
    holder = queue.Holder(host="a", slot=0, instance=ONE, boot=1)
    fleet.register(conn, holder=holder, pid=1, version="1")
    fleet.sign_off_host(conn, host="a", instance=TWO)  # a namesake's word counts nothing
    fleet.sign_off_host(conn, host="a", instance=ONE)
    assert states(conn) == {"a": "up"}  # its monitor went first, a worker is still at it
    fleet.sign_off(conn, holder=holder)
    assert states(conn) == {"a": "stopped"}
    fleet.register(conn, holder=holder, pid=2, version="1")
    assert states(conn) == {"a": "up"}


def test_one_tip_done_by_hand_does_not_make_a_stopped_host_look_up(
    conn: session.Connection,
) -> None:
    present(conn, "a")
    fleet.sign_off_host(conn, host="a", instance=ONE)
    holder = queue.Holder(host="a", slot=fleet.ONE_OFF_SLOTS, instance=ONE, boot=1)
    fleet.register(conn, holder=holder, pid=1, version="1")
    assert states(conn) == {"a": "stopped"}


def test_start_of_a_host_is_told_by_its_supervisors_age(conn: session.Connection) -> None:
    def started() -> object:
        row = conn.execute("SELECT started_at FROM fleet_hosts").fetchone()
        return row and row[0]

    begun = time.monotonic() - 100
    present(conn, age_s=time.monotonic() - begun)
    first = started()
    present(conn, age_s=time.monotonic() - begun + 1)  # a second is no difference
    assert started() == first
    present(conn, age_s=1)
    assert started() != first


def test_leader_holds_its_lock_until_it_is_given_back(
    conn: session.Connection, migrated: str
) -> None:
    with session.connect(migrated, schema=postgres.SCHEMA, application_name="other") as other:
        assert not fleet.leads(conn)
        assert fleet.lead(conn)
        assert (fleet.leads(conn), fleet.leads(other)) == (True, False)
        assert not fleet.lead(other)
        conn.execute("SELECT pg_advisory_unlock_all()")  # as a pooler's reset does
        assert not fleet.leads(conn)
        assert fleet.lead(other)


def test_only_one_host_is_shown_as_leader(conn: session.Connection) -> None:
    present(conn, "a"), present(conn, "b")
    for host in ("a", "b", "b"):
        fleet.show_leader(conn, host=host)
        row = conn.execute("SELECT array_agg(host) FROM fleet_overview WHERE leader").fetchone()
        assert row == ([host],)


def test_old_requests_and_hosts_are_forgotten(conn: session.Connection) -> None:
    present(conn, "a"), present(conn, "b")
    old, new = ask(conn), ask(conn)
    requests.answer(conn, request=old, host="a", ok=True, detail={})
    conn.execute("UPDATE fleet_requests SET expires_at = now() - interval '31 days' WHERE id = %s",
                 (old,))  # fmt: skip
    conn.execute("UPDATE fleet_hosts SET heartbeat_at = now() - interval '31 days'"
                 " WHERE host = 'b'")  # fmt: skip
    assert requests.prune(conn) == 1
    assert states(conn) == {"a": "up"}
    assert [one.id for one in present(conn, "a")] == [new]
    assert requests.answers(conn, [old]) == []
