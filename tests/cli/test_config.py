"""`config check|show|schema`, as people and programs see them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from noggin_mp.cli import main
from noggin_mp.settings import loader, reference

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOGGIN_CONFIG", raising=False)
    monkeypatch.setattr(loader, "PLACES", (Path("config/noggin.yaml"),))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main.run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


GOOD = "database: {dsn: 'postgresql://u:hush@h/d'}\napi: {token: '${TOK:-shush}', namespace: n}\n"
BAD = "fleet:\n  workers: 0\n  thread: 1\n"


def test_check_is_content_when_the_file_is_right(run: Run) -> None:
    Path("n.yaml").write_text(GOOD, encoding="utf-8")

    assert run("-c", "n.yaml", "config", "check") == (0, "n.yaml: no fault found\n", "")
    code, out, _ = run("config", "check", "-c", "n.yaml", "--json")
    assert (code, json.loads(out)) == (
        0,
        {"schema_version": 1, "ok": True, "files": ["n.yaml"], "notes": []},
    )


def test_check_tells_every_fault_when_the_file_is_wrong(run: Run) -> None:
    Path("n.yaml").write_text(BAD, encoding="utf-8")

    code, out, err = run("-c", "n.yaml", "config", "check")

    assert (code, out) == (3, "")
    assert err.splitlines() == [
        "noggin-mp: the configuration n.yaml has 2 faults",
        "  n.yaml:2:12: fleet.workers must be at least 1 (0)",
        '  n.yaml:3:3: unknown key "fleet.thread"; did you mean "threads"?',
    ]


def test_check_tells_the_faults_of_object_types_with_their_place(run: Run) -> None:
    Path("n.yaml").write_text("object_types: types\n", encoding="utf-8")

    code, _, err = run("-c", "n.yaml", "config", "check")
    assert (code, err.startswith("noggin-mp: n.yaml:1:15: the folder of object types")) == (3, True)

    Path("types").mkdir()
    Path("types/a.yaml").write_text("code: A\nfields: [\n", encoding="utf-8")
    code, _, err = run("-c", "n.yaml", "config", "check")
    assert (code, "types/a.yaml:3:1: is not valid YAML" in err) == (3, True)


def test_check_tells_every_fault_as_json_when_asked(run: Run) -> None:
    Path("n.yaml").write_text(BAD, encoding="utf-8")

    code, out, err = run("config", "check", "-c", "n.yaml", "--json")

    assert (code, err) == (3, "")
    error = json.loads(out)["error"]
    assert error["code"] == "config.invalid"
    assert [(one["line"], one["column"]) for one in error["problems"]] == [(2, 12), (3, 3)]
    assert error["problems"][1]["remedy"] == 'did you mean "threads"?'


def test_check_shows_a_caret_when_the_syntax_is_wrong(run: Run) -> None:
    Path("n.yaml").write_text("api:\n  namespace: a: b\n", encoding="utf-8")

    code, _, err = run("-c", "n.yaml", "config", "check")

    assert code == 3
    assert err.splitlines() == [
        "noggin-mp: n.yaml:2:15: is not valid YAML: mapping values are not allowed here;"
        " a value with ': ' in it needs quotes",
        "  2 |   namespace: a: b",
        "    |               ^",
    ]


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_check_says_so_when_there_is_nothing_to_read(run: Run, text: str | None) -> None:
    if text is not None:
        Path("config").mkdir()
        Path("config/noggin.yaml").write_text(text, encoding="utf-8")

    code, out, _ = run("config", "check")

    assert code == 0
    assert ("no file was found" if text is None else "the file is empty") in out
    assert "api.namespace is empty" in out
    assert "there is no token" in out


def test_check_reads_the_file_that_the_environment_names(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("other.yaml").write_text(GOOD, encoding="utf-8")
    monkeypatch.setenv("NOGGIN_CONFIG", "other.yaml")

    assert run("config", "check")[1] == "other.yaml: no fault found\n"


def test_show_gives_yaml_without_secrets_that_loads_again(run: Run) -> None:
    Path("n.yaml").write_text(GOOD, encoding="utf-8")

    code, out, _ = run("-c", "n.yaml", "config", "show")

    assert code == 0
    assert "hush" not in out
    shown = yaml.safe_load(out)
    assert shown["database"]["dsn"] == "postgresql://u:***@h/d"
    assert shown["api"]["token"] == "***"
    assert shown["breaker"]["hosts"] == {}
    Path("again.yaml").write_text(out, encoding="utf-8")
    assert run("-c", "again.yaml", "config", "check")[0] == 0


def test_show_tells_where_each_value_comes_from_when_verbose(run: Run) -> None:
    Path("n.yaml").write_text(
        "queue: {batch: 7}\nbreaker: {hosts: {H.x: {reset: 30}}}\n", encoding="utf-8"
    )

    _, out, _ = run("-c", "n.yaml", "config", "show", "-v")
    lines = {line.split(":")[0].strip(): line for line in out.splitlines()}
    assert lines["batch"].endswith("# n.yaml:1:16")
    assert lines["poll_s"].endswith("# default")

    _, out, _ = run("-c", "n.yaml", "config", "show", "--json")
    told = json.loads(out)
    assert told["settings"]["breaker"]["hosts"] == {"h.x": {"open_duration_s": 30}}
    assert told["origins"]["breaker.hosts.h.x.open_duration_s"] == "n.yaml:2:32"
    assert told["origins"]["fleet.workers"] == "default"


def test_schema_is_json_and_reference_is_markdown(run: Run) -> None:
    made = json.loads(run("config", "schema")[1])
    assert made["properties"]["api"]
    assert json.loads(run("config", "schema", "--json")[1])["schema"] == made
    assert run("config", "schema", "--markdown")[1] == reference.markdown()
