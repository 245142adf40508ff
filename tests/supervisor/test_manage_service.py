"""manage_service.sh: the same verbs whatever runs noggin_mp, judged by what it calls."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from noggin_mp.cli import init_files

SCRIPT = Path(__file__).resolve().parents[2] / "supervisor" / "manage_service.sh"
UNIT = "noggin-processor.service"
ALL = "noggin-mp:*"
TOOLS = ("sh", "sed", "head", "tail", "wc")

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >>"$CALLS"
[ "$1" != cat ] || exit "${LOADED:-0}"
[ "$2" != is-active ] || exit "${ACTIVE:-0}"
"""
JOURNALCTL = """#!/bin/sh
echo "journalctl $*" >>"$CALLS"
"""
SUPERVISORCTL = """#!/bin/sh
echo "supervisorctl $*" >>"$CALLS"
[ "$1" != -c ] || shift 2
case $1 in
    pid) exit "${ALIVE:-0}" ;;
    status) printf '%b' "$TABLE"; exit "${STATUS:-0}" ;;
esac
"""


class Fingers:
    """A machine with only the programs given, and a person who types verbs."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.folder = folder
        self.environment = {
            "PATH": str(folder), "CALLS": str(folder / "calls"),
            "TABLE": r"noggin-mp RUNNING pid 7\n",
            "NOGGIN_SUPERVISORD_CONF": str(folder / "supervisord.conf"),
        }  # fmt: skip
        for tool in TOOLS:
            (folder / tool).symlink_to(str(shutil.which(tool)))
        for name, text in programs.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def type(
        self, *words: str, script: Path = SCRIPT, **environment: str
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", str(script), *words],
            capture_output=True, text=True, check=False, env=self.environment | environment,
        )  # fmt: skip

    def calls(self) -> list[str]:
        file = self.folder / "calls"
        return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("start", f"systemctl start {UNIT}"),
        ("stop", f"systemctl stop {UNIT}"),
        ("restart", f"systemctl restart {UNIT}"),
        ("status", f"systemctl --no-pager --lines=20 status {UNIT}"),
        ("enable", f"systemctl enable {UNIT}"),
        ("disable", f"systemctl disable {UNIT}"),
        ("reload", f"systemctl reload {UNIT}"),
        ("logs", f"journalctl --no-pager --lines=200 --unit={UNIT}"),
        ("follow", f"journalctl --follow --lines=20 --unit={UNIT}"),
    ],
)
def test_verb_goes_to_systemd_when_the_unit_is_there(tmp_path: Path, verb: str, call: str) -> None:
    fingers = Fingers(tmp_path, systemctl=SYSTEMCTL, journalctl=JOURNALCTL)

    assert fingers.type(verb).returncode == 0
    asked = [f"systemctl cat {UNIT}", f"systemctl --quiet is-active {UNIT}"]
    assert fingers.calls() == [*asked, call]


def test_unit_is_the_one_named_when_somebody_names_one(tmp_path: Path) -> None:
    fingers = Fingers(tmp_path, systemctl=SYSTEMCTL)
    fingers.type("stop", NOGGIN_UNIT="noggin-monitor.service")

    assert fingers.calls()[-1] == "systemctl stop noggin-monitor.service"


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("start", f"start {ALL}"),
        ("stop", f"stop {ALL}"),
        ("restart", f"restart {ALL}"),
        ("status", f"status {ALL}"),
        ("reload", f"signal HUP {ALL}"),
    ],
)
def test_verb_goes_to_supervisord_when_there_is_no_unit(
    tmp_path: Path, verb: str, call: str
) -> None:
    fingers = Fingers(tmp_path, systemctl=SYSTEMCTL, supervisorctl=SUPERVISORCTL)

    assert fingers.type(verb, LOADED="1").returncode == 0
    assert fingers.calls() == [
        f"systemctl cat {UNIT}", "supervisorctl pid", f"supervisorctl status {ALL}",
        f"supervisorctl {call}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("active", "table", "called"),
    [
        ("0", r"noggin-mp RUNNING pid 7\n", "systemctl stop"),
        ("3", r"noggin-mp STOPPED Not started\n", "supervisorctl stop"),
        ("3", r"noggin-mp:*: ERROR (no such group)\n", "systemctl stop"),
    ],
)
def test_verb_goes_to_who_has_the_fleet_when_both_are_here(
    tmp_path: Path, active: str, table: str, called: str
) -> None:
    fingers = Fingers(tmp_path, systemctl=SYSTEMCTL, supervisorctl=SUPERVISORCTL)
    fingers.type("stop", ACTIVE=active, TABLE=table)

    assert fingers.calls()[-1].startswith(called)


def test_supervisorctl_is_found_beside_the_program_when_init_wrote_the_script(
    tmp_path: Path,
) -> None:
    """As pip installs it into an environment that is on nobody's PATH."""
    beside = tmp_path / "opt"
    beside.mkdir()
    site = init_files.Site(folder=tmp_path, program=(f"{beside}/noggin-mp",), user="n", group="n")
    fingers = Fingers(tmp_path)
    (beside / "supervisorctl").write_text(SUPERVISORCTL)
    (beside / "supervisorctl").chmod(0o755)
    (tmp_path / "manage.sh").write_text(init_files.service_file("manage_service.sh", site))

    assert fingers.type("stop", script=tmp_path / "manage.sh").returncode == 0
    assert fingers.calls()[-1] == f"supervisorctl stop {ALL}"


def test_supervisorctl_is_given_our_configuration_when_there_is_one(tmp_path: Path) -> None:
    fingers = Fingers(tmp_path, supervisorctl=SUPERVISORCTL)
    conf = tmp_path / "supervisord.conf"
    conf.touch()
    fingers.type("stop")

    assert fingers.calls()[-1] == f"supervisorctl -c {conf} stop {ALL}"


def test_status_keeps_supervisorctls_exit_code_when_something_is_down(tmp_path: Path) -> None:
    fingers = Fingers(tmp_path, supervisorctl=SUPERVISORCTL)

    assert fingers.type("status", STATUS="3").returncode == 3


@pytest.mark.parametrize(
    ("table", "processes"),
    [
        (r"noggin-mp RUNNING pid 7\n", ["noggin-mp"]),
        (r"noggin-mp:noggin-monitor RUNNING pid 7\nnoggin-mp:noggin-worker_0 STOPPED\n",
         ["noggin-mp:noggin-monitor", "noggin-mp:noggin-worker_0"]),
    ],
)  # fmt: skip
def test_logs_are_those_of_every_process_when_supervisord_keeps_them(
    tmp_path: Path, table: str, processes: list[str]
) -> None:
    fingers = Fingers(tmp_path, supervisorctl=SUPERVISORCTL)
    fingers.type("logs", TABLE=table, NOGGIN_LINES="2")
    fingers.type("follow", TABLE=table)

    tails = [call for call in fingers.calls() if " tail " in call]
    expected = [f"supervisorctl tail -400 {name}" for name in processes]
    assert tails == [*expected, f"supervisorctl tail -f {processes[0]}"]


@pytest.mark.parametrize(("verb", "value"), [("enable", "true"), ("disable", "false")])
def test_enable_says_what_to_do_when_supervisord_runs_it(
    tmp_path: Path, verb: str, value: str
) -> None:
    done = Fingers(tmp_path, supervisorctl=SUPERVISORCTL).type(verb)

    assert done.returncode == 2
    assert f"set autostart={value}" in done.stderr


def test_it_says_what_to_do_when_supervisord_does_not_answer(tmp_path: Path) -> None:
    done = Fingers(tmp_path, supervisorctl=SUPERVISORCTL).type("start", ALIVE="2")

    assert done.returncode == 3
    assert "start supervisord" in done.stderr


@pytest.mark.parametrize("verb", ["start", "follow", "enable"])
def test_it_says_what_to_do_when_neither_is_here(tmp_path: Path, verb: str) -> None:
    done = Fingers(tmp_path).type(verb)

    assert done.returncode == 3
    assert "noggin-mp init --systemd" in done.stderr


@pytest.mark.parametrize("words", [[], ["fly"], ["start", "now"]])
def test_it_tells_its_verbs_when_asked_something_else(tmp_path: Path, words: list[str]) -> None:
    done = Fingers(tmp_path, systemctl=SYSTEMCTL).type(*words)

    assert done.returncode == 2
    assert "start|stop|restart|status|enable|disable|logs|follow|reload" in done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_script_is_clean_when_shellcheck_reads_it() -> None:
    done = subprocess.run(["shellcheck", str(SCRIPT)], capture_output=True, text=True, check=False)

    assert done.stdout == ""


def test_script_can_be_run() -> None:
    assert os.access(SCRIPT, os.X_OK)
