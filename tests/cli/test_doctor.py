"""`doctor`: database, token and API spoilt in their turn, and what is said of each."""

import base64
import json
import socket
import time

import pytest

from noggin_mp.store import session
from tests.support import fault_server
from tests.support.patient import Patient
from tests.support.pooler import needs_pgbouncer, pooled


def test_doctor_says_all_is_well_when_it_is(patient: Patient) -> None:
    code, found = patient.seen()

    assert code == 0
    states = {check: {one["state"] for one in told} for check, told in found.items()}
    assert {check for check, kinds in states.items() if kinds != {"ok"}} == set()
    assert list(found) == [
        "python", "configuration", "packages", "folder state", "folder input", "folder log",
        "folder output", "metrics", "memory", "limits", "port", "supervisor", "database", "pooler",
        "schema", "host name", "policies", "notify", "locks", "clock", "token", "api", "systemd",
        "supervisord",
    ]  # fmt: skip


def test_doctor_changes_nothing(patient: Patient, conn: session.Connection) -> None:
    before = sorted(patient.folder.rglob("*"))
    patient.seen()

    after = sorted(patient.folder.rglob("*"))
    assert after == [*before, patient.folder / "noggin.yaml"] or set(after) - set(before) == {
        patient.folder / "noggin.yaml"
    }
    assert conn.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)


def test_doctor_goes_on_when_the_database_is_away(patient: Patient, dead_port: int) -> None:
    patient.spoil("database", dsn=f"postgresql://n:s3cr3t@127.0.0.1:{dead_port}/x")
    code, found = patient.seen()

    assert code == 5
    assert found["database"][0]["state"] == "failed"
    assert "check database.dsn" in found["database"][0]["remedy"]
    after = ("pooler", "schema", "host name", "policies", "notify", "locks", "clock")
    assert {found[check][0]["state"] for check in after} == {"skipped"}
    assert found["api"][0]["state"] == "ok"
    assert "s3cr3t" not in json.dumps(found)


def test_doctor_bounds_the_wait_when_the_database_does_not_answer(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # its ordinary haste
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        patient.spoil(
            "database",
            dsn=f"postgresql://n@127.0.0.1:{silent.getsockname()[1]}/x?connect_timeout=2",
        )
        code, found = patient.seen()
        silent.settimeout(0)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):  # one wait of five seconds, not one for each check
            silent.accept()

    assert code == 5
    assert found["database"][0]["state"] == "failed"


def test_doctor_says_5_when_the_database_takes_no_writes(
    patient: Patient, conn: session.Connection
) -> None:
    conn.execute(
        f"ALTER DATABASE {conn.info.dbname} SET default_transaction_read_only = on".encode()
    )

    code, told, remedy = patient.finding("database", "failed")

    assert code == 5
    assert "takes no writes" in told
    assert "the primary" in remedy


def test_doctor_tells_of_an_empty_database(patient: Patient, database: str) -> None:
    patient.spoil("database", dsn=database)

    code, told, remedy = patient.finding("schema", "warning")
    assert code == 0
    assert "no tables yet" in told
    assert "noggin-mp db migrate" in remedy


def test_doctor_says_3_when_the_schema_is_newer(patient: Patient, conn: session.Connection) -> None:
    conn.execute(
        "INSERT INTO schema_migrations (version, name, sha256, applied_by)"
        " VALUES (9999, 'later', 'x', 'tests')"
    )

    code, told, _ = patient.finding("schema", "failed")
    assert code == 3
    assert "9999" in told


def test_doctor_says_7_when_the_host_name_is_taken(
    patient: Patient, conn: session.Connection
) -> None:
    patient.spoil("fleet", host="twin")
    conn.execute(
        "INSERT INTO fleet_workers (host, slot, instance, boot, pid, state)"
        " VALUES ('twin', 0, gen_random_uuid(), 1, 1, 'running')"
    )

    code, told, remedy = patient.finding("host name", "failed")
    assert code == 7
    assert "'twin'" in told
    assert "fleet.host" in remedy


@needs_pgbouncer
def test_doctor_says_3_when_a_pooler_shares_sessions(patient: Patient) -> None:
    with pooled(patient.settings["database"]["dsn"], "transaction") as dsn:
        patient.spoil("database", dsn=dsn)
        code, told, remedy = patient.finding("pooler", "failed")

    assert code == 3
    assert "direct or session-pooled DSN" in told
    assert "pool_mode = session" in remedy


@needs_pgbouncer
def test_doctor_is_content_when_a_pooler_keeps_sessions(patient: Patient) -> None:
    with pooled(patient.settings["database"]["dsn"], "session") as dsn:
        patient.spoil("database", dsn=dsn)
        code, told, _ = patient.finding("pooler", "ok")

    assert (code, told) == (0, "a pooler that keeps sessions")


def test_doctor_leaves_the_embedded_server_down(patient: Patient) -> None:
    patient.spoil("database", dsn="")

    code, told, remedy = patient.finding("database", "warning")
    assert (code, told) == (0, "the embedded server is not running")
    assert "db start" in remedy


def jwt(**claims: object) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.x"


@pytest.mark.parametrize(
    ("left_s", "state", "code"), [(-60, "failed", 4), (86_400, "warning", 0), (8e6, "ok", 0)]
)
def test_doctor_knows_when_the_token_expires(
    patient: Patient, left_s: float, state: str, code: int
) -> None:
    token = jwt(exp=time.time() + left_s)
    patient.spoil("api", token=token)

    found = patient.finding("token", state)
    assert found[0] == code
    assert " UTC" in found[1]
    assert token not in json.dumps(patient.seen())


def test_doctor_says_4_when_there_is_no_token(patient: Patient) -> None:
    patient.spoil("api", token="")

    code, told, _ = patient.finding("token", "failed")
    assert (code, told) == (4, "there is no API token")
    assert patient.seen()[1]["api"][0]["state"] == "skipped"


def test_doctor_warns_when_everybody_may_read_the_token(patient: Patient) -> None:
    file = patient.folder / "token"
    file.write_text("tok")
    file.chmod(0o644)
    patient.spoil("api", token="", token_file=str(file))

    code, _, remedy = patient.finding("token", "warning")
    assert (code, remedy) == (0, f"run: chmod 600 {file}")


@pytest.mark.parametrize(
    ("reply", "state", "code", "told"),
    [
        (fault_server.reply(status=401), "failed", 4, "refuses the token"),
        (fault_server.reply(status=403), "warning", 0, "403"),
        (fault_server.reply(status=429), "warning", 0, "throttles"),
        (fault_server.reply(status=500), "failed", 6, "500"),
        (fault_server.reply(b"<html>log in</html>"), "failed", 6, "HTML"),
        (b"", "failed", 6, "time-out"),
    ],
)
def test_doctor_tells_what_the_api_answered(
    patient: Patient, api: fault_server.FaultServer, reply: bytes, state: str, code: int, told: str
) -> None:
    api.answers(reply)
    if not reply:
        patient.spoil("api", read_timeout_s=0.5)

    found = patient.finding("api", state)
    assert found[0] == code
    assert told in found[1]


def test_doctor_says_6_when_nobody_is_there(patient: Patient, dead_port: int) -> None:
    patient.spoil("api", base_url=f"http://127.0.0.1:{dead_port}")

    code, told, _ = patient.finding("api", "failed")
    assert code == 6
    assert "refused" in told


def test_doctor_asks_for_a_record_that_is_known(
    patient: Patient, api: fault_server.FaultServer, conn: session.Connection
) -> None:
    conn.execute(
        "INSERT INTO noggin_data (tip, object_code, processing_status)"
        " VALUES ('tip-1', 'LCD', 'complete')"
    )
    code, told, _ = patient.finding("api", "warning")

    assert code == 0
    assert "for a record that we know" in told
    assert api.requests[-1].path.endswith("/loadComplianceCheckDriverLoader/tip-1")


def test_doctor_leaves_the_api_alone_when_offline(
    patient: Patient, api: fault_server.FaultServer
) -> None:
    code, told, _ = patient.finding("api", "skipped", "--offline")

    assert (code, told) == (0, "not asked: --offline")
    assert api.requests == []


def test_doctor_warns_when_a_clock_is_wrong(
    patient: Patient, api: fault_server.FaultServer
) -> None:
    api.answers(fault_server.reply(status=404, headers={"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}))

    code, told, remedy = patient.finding("api", "warning")
    assert code == 0
    assert told.startswith("the API's clock is ")
    assert "behind" in told
    assert "NTP" in remedy
