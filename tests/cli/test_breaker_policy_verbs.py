"""Breaker policy on the command line and in the environment; advice; what is written down."""

from pathlib import Path
from typing import Any

import pytest

from noggin_mp.settings import loader
from noggin_mp.store import session
from tests.support.command import Command

HOST = "api.example"


@pytest.fixture
def run(migrated: str, tmp_path: Path) -> Command:
    api = {"base_url": f"https://{HOST}", "namespace": "n", "token": "made-up"}
    return Command(tmp_path, migrated, api=api)


def minutes(
    conn: session.Connection, scope: str, *, ok: int = 0, failed: int = 0, throttled: int = 0
) -> None:
    """Requests of this minute; in one transaction it is one minute for all."""
    conn.execute(
        "INSERT INTO breaker_minutes (minute, scope, ok, failed, throttled)"
        " VALUES (date_trunc('minute', now()), %s, %s, %s, %s)",
        (scope, ok, failed, throttled),
    )


def happened(
    conn: session.Connection, scope: str, type_: str, *, age_s: float, details: str = "{}"
) -> None:
    conn.execute(
        "INSERT INTO breaker_events (ts, host, scope, event_type, details)"
        " VALUES (now() - make_interval(secs => %s), breaker_host(%s), %s, %s, %s::jsonb)",
        (age_s, scope, scope, type_, details),
    )


def test_config_show_tells_merged_policy_and_origin_when_all_layers_speak(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOGGIN_BREAKER_DEFAULTS", "fail_max:3,reset:30")
    monkeypatch.setenv("NOGGIN_BREAKER__API_EXAMPLE", "fail_max:4")
    words = ("--breaker-role", f"{HOST}:media=fail_max:9", "--breaker-defaults", "window_s:7")

    told = run("config", "show", "--json", *words).json
    assert told["settings"]["breaker"]["hosts"] == {
        HOST: {"fail_max": 4, "roles": {"media": {"fail_max": 9}}}
    }
    assert told["origins"]["breaker.defaults.open_duration_s"] == "NOGGIN_BREAKER_DEFAULTS"
    assert told["origins"]["breaker.defaults.window_s"] == "--breaker-defaults"
    assert told["origins"][f"breaker.hosts.{HOST}.fail_max"] == "NOGGIN_BREAKER__API_EXAMPLE"
    media = f"breaker.hosts.{HOST}.roles.media.fail_max"
    assert told["origins"][media] == f"--breaker-role {HOST}:media"
    assert "# NOGGIN_BREAKER__API_EXAMPLE" in run("config", "show", "-v", *words).out


@pytest.mark.parametrize(
    "verb",
    [
        ("config", "check"),
        ("run", "--dry-run"),
        ("worker", "--slot", "0"),
        ("monitor",),
        ("breaker", "advise"),
    ],
)
def test_verb_exits_with_usage_and_every_fault_when_options_are_malformed(
    run: Command, verb: tuple[str, ...]
) -> None:
    words = ("--breaker", f"{HOST}=fail_mx:1,reset:x", "--breaker-role", f"{HOST}:medja=reset:1")

    done = run(*verb, *words, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert [problem["file"] for problem in done.json["error"]["problems"]] == [
        f"--breaker {HOST}", f"--breaker {HOST}", "--breaker-role",
    ]  # fmt: skip
    assert 'did you mean "fail_max"?' in run(*verb, *words).err


def test_verb_exits_with_configuration_when_the_environment_is_malformed(
    run: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOGGIN_BREAKER_DISABLED", "maybe")

    done = run("breaker", "show", "--breaker", "x")
    assert done.code == 2  # no such option here
    done = run("breaker", "show")
    assert (done.code, "NOGGIN_BREAKER_DISABLED: must be 1 or 0" in done.err) == (3, True)


def test_run_notes_a_host_when_nothing_is_asked_of_it(run: Command) -> None:
    done = run("run", "--dry-run", "--breaker", "api.exmaple=fail_max:3")

    assert "--breaker api.exmaple: no request goes to api.exmaple" in done.err


def test_advise_gives_evidence_and_a_patch_that_loads(
    run: Command, conn: session.Connection, tmp_path: Path
) -> None:
    with conn.transaction():
        minutes(conn, f"{HOST}:api", ok=90, failed=4)
        minutes(conn, HOST, throttled=6)
    happened(conn, HOST, "pause", age_s=300, details='{"seconds": 120}')
    for n in range(3):
        happened(conn, f"{HOST}:api", "trip", age_s=200 - 30 * n)
        happened(conn, f"{HOST}:api", "open", age_s=190 - 30 * n, details='{"result": "failure"}')
        happened(conn, f"{HOST}:api", "close", age_s=180 - 30 * n, details='{"result": "success"}')

    told = run("breaker", "advise", "--json").json
    assert {tuple(one["path"][-1:]): (one["old"], one["new"]) for one in told["suggestions"]} == {
        ("rate",): (None, "80/m"),
        ("open_duration_s",): (60, 120),
        ("fail_max",): (5, 4),
        ("success_threshold",): (2, 3),
    }
    assert told["hosts"][0]["roles"]["api"]["trips"] == 3
    patch = tmp_path / "patch.yaml"
    patch.write_text(told["patch_yaml"])
    settings = loader.load(patch, env={})
    assert settings.pacing_policy(HOST, "media")["rate"] == "80/m"
    assert settings.breaker_policy(HOST, "api")["fail_max"] == 4

    text = run("breaker", "advise", HOST).out
    assert "6 of 100 requests (6.0 %) were answered with 429" in text
    assert text.endswith(told["patch_yaml"])
    assert conn.execute("SELECT count(*) FROM audit_log").fetchone() == (0,)


def test_advise_weighs_the_policy_in_effect_when_options_change_it(
    run: Command, conn: session.Connection
) -> None:
    minutes(conn, HOST, throttled=6)
    minutes(conn, f"{HOST}:api", ok=1)
    happened(conn, HOST, "pause", age_s=300, details='{"seconds": 120}')

    words = ("--breaker", f"{HOST}=reset:120", "--json")
    assert [one["rule"] for one in run("breaker", "advise", *words).json["suggestions"]] == [
        "throttled"
    ]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [(HOST, {"pacing", "breaker"}), (f"{HOST}:api", {"breaker"}), ("other.example", set())],
)
def test_advise_keeps_to_the_scope_when_one_is_named(
    run: Command, conn: session.Connection, scope: str, expected: set[str]
) -> None:
    minutes(conn, HOST, throttled=6)
    minutes(conn, f"{HOST}:api", ok=1)
    happened(conn, HOST, "pause", age_s=300, details='{"seconds": 120}')

    told = run("breaker", "advise", scope, "--json").json
    assert {one["path"][0] for one in told["suggestions"]} == expected


def test_advise_patch_loads_when_the_host_is_an_address(
    run: Command, conn: session.Connection, tmp_path: Path
) -> None:
    minutes(conn, "2001:db8::1", throttled=6)

    told = run("breaker", "advise", "2001:db8::1", "--json").json
    patch = tmp_path / "patch.yaml"
    patch.write_text(told["patch_yaml"])
    assert loader.load(patch, env={}).pacing_policy("2001:db8::1", "api")["rate"] == "4/m"


def test_advise_says_so_when_there_is_nothing_to_say(run: Command) -> None:
    done = run("breaker", "advise", "--window", "2h")

    assert (done.code, "nothing to change" in done.out, "7200 s" in done.out) == (0, True, True)
    assert run("breaker", "advise", "--json").json["patch"] == {}
    assert run("breaker", "advise", "--window", "soon").code == 2


def test_events_are_filtered_when_options_say_so(run: Command, conn: session.Connection) -> None:
    happened(conn, f"{HOST}:api", "trip", age_s=7200)
    happened(conn, f"{HOST}:api", "close", age_s=60)
    happened(conn, "other.example:api", "trip", age_s=60)

    def types(*words: str) -> list[Any]:
        found = run("breaker", "events", "--json", *words).json["events"]
        return [(one["scope"], one["event_type"]) for one in found]

    assert types("--since", "1h", "--type", "trip") == [("other.example:api", "trip")]
    assert types(HOST) == types("--scope", HOST) == [
        (f"{HOST}:api", "close"), (f"{HOST}:api", "trip"),
    ]  # fmt: skip
    assert types("--limit", "1", "--type", "close", "--type", "trip") == [
        ("other.example:api", "trip")
    ]
    assert run("breaker", "events", HOST, "--scope", HOST).code == 2
    assert run("breaker", "events", "--type", "tripp").code == 2


def test_every_act_by_hand_is_audited_and_told_as_json(
    run: Command, conn: session.Connection
) -> None:
    acts = [
        ("breaker", "open", f"{HOST}:api"), ("breaker", "close", HOST), ("breaker", "reset", HOST),
        ("fleet", "pause"), ("fleet", "resume"),
    ]  # fmt: skip
    for words in acts:
        done = run(*words, "--reason", "because", "--json")
        assert (done.code, done.json["schema_version"]) == (0, 1)
    for words in (("breaker", "show"), ("breaker", "events"), ("fleet", "status")):
        assert run(*words, "--json").json["schema_version"] == 1

    found = conn.execute(
        "SELECT action, target, reason, who <> '' AND details IS NOT NULL FROM audit_log"
        " ORDER BY audit_id"
    ).fetchall()
    assert found == [
        ("breaker open", f"{HOST}:api", "because", True),
        ("breaker close", HOST, "because", True),
        ("breaker reset", HOST, "because", True),
        ("fleet pause", "fleet", "because", True),
        ("fleet resume", "fleet", "because", True),
    ]


def test_show_includes_the_roles_when_a_host_is_named(run: Command) -> None:
    for scope in (f"{HOST}:api", "other.example"):
        run("breaker", "open", scope, "--reason", "x")

    assert [row["scope"] for row in run("breaker", "show", HOST, "--json").json["breakers"]] == [
        f"{HOST}:api"
    ]
