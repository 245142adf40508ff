"""`doctor`: what it reads of systemd, supervisord and processes on their own."""

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from noggin_mp.cli import doctor_services, init_files, main
from noggin_mp.supervisor import pidfile
from tests.support.patient import Patient


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that shows what is written into the file given back, or, for other units, into
    files of their names beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "systemctl").write_text(
        f"#!/bin/sh\nfile={folder}/$2\n"
        f'[ "$2" != noggin-processor.service ] || file={folder}/shown\n'
        'if [ -f "$file" ]; then cat "$file"; else echo LoadState=not-found; fi\n'
    )
    (folder / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "shown"


UNIT = """LoadState=loaded
FragmentPath=/etc/systemd/system/noggin-processor.service
ExecStart={{ path={program} ; argv[]={program} -c {config} run ; ignore_errors=no ; pid=0 }}
TimeoutStopUSec={stop}
UnitFileState={enabled}
ActiveState=active
NeedDaemonReload={changed}
"""
OURS = str(Path(sys.executable).with_name("noggin-mp"))


@pytest.mark.parametrize(
    ("changes", "state", "code", "told"),
    [
        ({}, "ok", 0, "with this program and configuration"),
        ({"stop": "20s"}, "failed", 8, "TimeoutStopSec=60"),
        ({"stop": "1min 30s"}, "ok", 0, "active"),
        ({"program": "/nowhere/noggin-mp"}, "failed", 8, "which is not there"),
        ({"program": "/bin/true"}, "warning", 0, "another program"),
        ({"config": "/etc/other.yaml"}, "warning", 0, "run doctor with -c /etc/other.yaml"),
        ({"enabled": "disabled"}, "warning", 0, "systemctl enable"),
        ({"changed": "yes"}, "warning", 0, "daemon-reload"),
    ],
)
def test_doctor_reads_the_unit_of_systemd(
    patient: Patient, systemctl: Path, changes: dict[str, str], state: str, code: int, told: str
) -> None:
    ours = OURS if Path(OURS).exists() else sys.executable
    given = {
        "program": ours, "config": str(patient.folder / "noggin.yaml"), "stop": "1min",
        "enabled": "enabled", "changed": "no",
    }  # fmt: skip
    systemctl.write_text(UNIT.format(**given | changes))

    found = patient.finding("systemd", state, "--offline")
    assert found[0] == code
    assert told in " ".join(found[1:])


@pytest.mark.parametrize(
    ("processor", "state", "told"),
    [("disabled", "ok", "noggin-monitor.service is active"), ("enabled", "warning", "exclude")],
)
def test_doctor_reads_the_units_in_use_when_systemd_keeps_each_worker(
    patient: Patient, systemctl: Path, processor: str, state: str, told: str
) -> None:
    given = {
        "program": OURS if Path(OURS).exists() else sys.executable, "changed": "no",
        "config": str(patient.folder / "noggin.yaml"), "stop": "1min",
    }  # fmt: skip
    unit = UNIT.format(**given, enabled=processor).replace("=active", "=inactive")
    systemctl.write_text(unit)
    for name in ("noggin-monitor.service", "noggin-worker@0.service"):
        text = UNIT.format(**given, enabled="enabled").replace("noggin-processor.service", name)
        systemctl.with_name(name).write_text(text)

    found = [one["found"] for one in patient.seen("--offline")[1]["systemd"]]
    assert patient.finding("systemd", state, "--offline")[1] == found[0]
    assert told in found[0]
    assert "does not start at boot" not in " ".join(found)


def test_doctor_knows_a_monitor_that_runs_by_itself(patient: Patient) -> None:
    lock = pidfile.Lock(patient.folder / "state", "monitor.lock", what="monitor")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        patient.spoil("monitor", bind=f"127.0.0.1:{taken.getsockname()[1]}")
        code, told, _ = patient.finding("port", "ok", "--offline")
        assert (code, f"our monitor, process {os.getpid()}" in told) == (0, True)
        assert patient.finding("supervisor", "ok")[1] == "each process by itself: monitor"
        lock.release()
        assert patient.finding("port", "failed")[0] == 8


def test_doctor_misses_the_monitor_when_only_workers_run(patient: Patient) -> None:
    lock = pidfile.Lock(patient.folder / "state", "worker-0.lock", what="worker 0")
    _, told, remedy = patient.finding("supervisor", "warning", "--offline")
    lock.release()

    assert told.startswith("each process by itself: worker 0; nobody")
    assert remedy == "start noggin-mp monitor"


@pytest.mark.parametrize(
    ("before", "after", "state", "expected", "told"),
    [
        ("", "", "ok", 0, "with this program"),
        ("stopwaitsecs=40", "stopwaitsecs=10", "failed", 8, "stopwaitsecs=40"),
        ("killasgroup=true", "killasgroup=false", "warning", 0, "killasgroup=true"),
        ("stopasgroup=false", "stopasgroup=true", "warning", 0, "stopasgroup=false"),
    ],
)
def test_doctor_reads_the_program_of_supervisord(
    patient: Patient,
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    state: str,
    expected: int,
    told: str,
) -> None:
    home = patient.folder / "n"
    site = init_files.Site(
        folder=home, program=tuple(doctor_services.program()), user="n", group="n"
    )
    for name in ("config", "supervisord"):
        (home / name).mkdir(parents=True)
    text = init_files.service_file("noggin-mp.conf", site)
    assert before in text
    (home / "supervisord/noggin-mp.conf").write_text(text.replace(before, after))
    (home / "config/noggin.yaml").write_text(json.dumps(patient.settings))
    code = main.run(["-c", str(home / "config/noggin.yaml"), "doctor", "--json", "--offline"])

    checks = json.loads(capsys.readouterr().out)["checks"]
    (found,) = (one for one in checks if one["check"] == "supervisord")
    assert (found["state"], code) == (state, expected)
    assert told in f"{found['found']} {found['remedy']}"
