"""Hosts that go by different policies, as `fleet status`, `health` and `doctor` tell it."""

import uuid
from typing import Any

import pytest

from noggin_mp.settings import schema, shared
from noggin_mp.store import fleet, reports, requests, session
from tests.support.command import Command
from tests.support.patient import Patient

HOST = "services.apse2.elasticnoggin.com"
SAID = f"hosts go by different policies at {HOST}: breaker.fail_max"


def sign_in(conn: session.Connection, host: str, **policy: object) -> requests.Identity:
    """A host beats; it goes by the defaults, but for this."""
    settings = schema.Settings.model_validate({"breaker": {"defaults": policy}})
    return beat(conn, host, {"policy": shared.told(settings)})


def beat(conn: session.Connection, host: str, facts: dict[str, Any]) -> requests.Identity:
    who = requests.Identity(host=host, instance=str(uuid.uuid4()), version="1", output="/o")
    requests.present(conn, who, facts=facts, age_s=60)
    conn.execute(  # for as long as a test takes
        "UPDATE fleet_hosts SET heartbeat_at = now() + interval '1 hour' WHERE host = %s", (host,)
    )
    return who


@pytest.fixture
def noggin(patient: Patient) -> Command:
    return Command(patient.folder, "", **{**patient.settings, "fleet": {"host": "desk"}})


def test_one_note_names_hosts_keys_and_values(noggin: Command, conn: session.Connection) -> None:
    sign_in(conn, "ann"), sign_in(conn, "bob", fail_max=9), sign_in(conn, "cy")

    told = noggin("fleet", "status")
    assert (told.code, told.out.count("note: ")) == (0, 1)
    assert f"note: {SAID} (ann, cy: 5; bob: 9); make their files equal, then" in told.out
    assert noggin("fleet", "status", "--json").json["policies_differ"] == [
        {"scope": HOST, "key": "breaker.fail_max", "values": {"ann": 5, "bob": 9, "cy": 5}}
    ]
    health = noggin("health", "--json").json
    [note] = [one for one in health["notes"] if one["code"] == "policies.differ"]
    assert note["message"].startswith(SAID)
    assert "policies.differ" not in {one["code"] for one in health["reasons"]}


def test_no_note_when_equal_or_alone(noggin: Command, conn: session.Connection) -> None:
    for host in ("ann", "bob"):
        sign_in(conn, host, fail_max=9)
        assert "note: " not in noggin("fleet", "status").out
        assert noggin("fleet", "status", "--json").json["policies_differ"] == []
        assert "policies.differ" not in noggin("health", "--json").out


def test_only_hosts_that_are_alive_and_tell_it_count(
    noggin: Command, conn: session.Connection
) -> None:
    sign_in(conn, "ann")
    gone = sign_in(conn, "bob", fail_max=6)
    fleet.sign_off_host(conn, host=gone.host, instance=gone.instance)
    sign_in(conn, "cy", fail_max=7)
    conn.execute("UPDATE fleet_hosts SET heartbeat_at = now() - interval '11 s' WHERE host = 'cy'")
    beat(conn, "older", {"phase": "running"})
    beat(conn, "strange", {"policy": "x"})

    assert set(reports.policies(conn)) == {"ann", "strange"}
    assert noggin("fleet", "status", "--json").json["policies_differ"] == []


def test_doctor_warns_and_compares_a_host_before_it_is_started(
    patient: Patient, conn: session.Connection
) -> None:
    told = shared.told(schema.Settings.model_validate(patient.settings))
    assert patient.finding("policies", "ok")[1] == "no other host is at work"

    beat(conn, "ann", {"policy": told})
    assert patient.finding("policies", "ok")[1].endswith("on the other hosts at work (1)")

    patient.spoil("breaker", defaults={"fail_max": 9})
    code, found, remedy = patient.finding("policies", "warning")
    assert (code, "breaker.fail_max (ann: 5; " in found) == (0, True)
    assert "fleet reload --all" in remedy


def test_doctor_compares_what_is_in_effect_where_the_host_is_at_work(
    patient: Patient, conn: session.Connection
) -> None:
    patient.spoil("fleet", host="ann")
    told = shared.told(schema.Settings.model_validate(patient.settings))
    patient.spoil("breaker", defaults={"fail_max": 9})  # written, and not reloaded
    for host in ("ann", "bob"):
        beat(conn, host, {"policy": told})

    assert patient.finding("policies", "ok")[0] == 0
    assert reports.policies(conn)["ann"] == told
