"""`run`, `worker`, `monitor` from the outside: what goes wrong, and what is then said."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from noggin_mp.supervisor import listen

TOKEN = {"api": {"token": "made-up-token", "namespace": "n"}}


def noggin(
    folder: Path, settings: dict[str, object], *arguments: str
) -> subprocess.CompletedProcess[str]:
    paths = {name: str(folder / name) for name in ("state", "output", "log")}
    config = folder / "noggin.yaml"
    config.write_text(
        json.dumps({"paths": paths, "monitor": {"bind": "off"}} | settings)
    )  # JSON is YAML
    return subprocess.run(
        [sys.executable, "-m", "noggin_mp", "-c", str(config), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "NOGGIN_CONFIG"}
        | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--horizon", "5"],
        ["--tip", "a", "--until-drained"],
        ["--tip", "a", "--workers", "2"],
        ["--workers", "0"],
        ["--limit", "0"],
    ],
)
def test_run_refuses_options_when_they_contradict(tmp_path: Path, arguments: list[str]) -> None:
    assert noggin(tmp_path, TOKEN, "run", *arguments).returncode == 2


@pytest.mark.parametrize("verb", [["run"], ["worker", "--slot", "0"]])
def test_run_says_4_when_there_is_no_token(tmp_path: Path, verb: list[str]) -> None:
    done = noggin(tmp_path, {}, *verb)

    assert done.returncode == 4
    assert "there is no API token; set api.token_file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("verb", [["run"], ["worker", "--slot", "0"], ["monitor"]])
def test_run_says_5_when_the_database_does_not_answer(tmp_path: Path, verb: list[str]) -> None:
    wrong = {"database": {"dsn": "postgresql://me:verysecret@127.0.0.1:1/none"}}
    done = noggin(tmp_path, TOKEN | wrong, "--json", *verb)

    assert done.returncode == 5
    assert json.loads(done.stdout)["error"]["code"] == "database.unreachable"
    assert "verysecret" not in done.stdout + done.stderr


def test_run_says_8_when_the_output_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file")
    done = noggin(tmp_path, TOKEN, "run")

    assert done.returncode == 8
    assert str(tmp_path / "output") in done.stderr


def test_run_fills_the_database_and_tells_the_plan_when_it_is_a_dry_run(
    tmp_path: Path, database: str
) -> None:
    settings = TOKEN | {"database": {"dsn": database}, "monitor": {"bind": "127.0.0.1:0"}}
    done = noggin(tmp_path, settings, "run", "--dry-run", "--json", "--workers", "3")
    plan = json.loads(done.stdout)

    assert done.returncode == 0
    assert (plan["workers"], plan["dry_run"]) == (3, True)
    assert "migrations applied" in done.stderr
    assert "made-up-token" not in done.stdout + done.stderr


def test_run_says_8_when_the_port_is_taken(tmp_path: Path, migrated: str) -> None:
    with listen.bind(("127.0.0.1", 0)) as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = TOKEN | {"database": {"dsn": migrated}, "monitor": {"bind": bind}}
        done = noggin(tmp_path, settings, "run", "--dry-run")

    assert done.returncode == 8
    assert f"in use by process {os.getpid()} " in done.stderr


@pytest.mark.parametrize("verb", ["run", "worker", "monitor"])
def test_help_gives_examples_when_asked(tmp_path: Path, verb: str) -> None:
    done = noggin(tmp_path, TOKEN, verb, "--help")

    assert done.returncode == 0
    assert "Examples:" in done.stdout
