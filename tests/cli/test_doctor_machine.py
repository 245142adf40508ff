"""`doctor`: folders, limits, ports and service managers spoilt, and what is said of each."""

import json
import os
import pty
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.cli import doctor_machine, doctor_services, init_files, main
from noggin_mp.supervisor import pidfile
from tests.support.command import Command
from tests.support.patient import Patient


def test_doctor_says_8_when_the_disk_is_under_its_floor(patient: Patient) -> None:
    patient.spoil("attachments", min_free_bytes=10**18)

    code, _, remedy = patient.finding("folder output", "failed")
    assert code == 8
    assert "min_free_bytes" in remedy


def test_doctor_says_8_when_a_file_is_in_the_way(patient: Patient) -> None:
    for name in ("state", "output"):
        (patient.folder / name).rmdir()
        (patient.folder / name).touch()
    code, found = patient.seen()

    assert code == 8
    for name in ("state", "output"):
        assert found[f"folder {name}"][0]["state"] == "failed"
        assert f"paths.{name}" in found[f"folder {name}"][0]["remedy"]


def seen_without_rights(path: Path) -> tuple[str, str]:
    """State and remedy of a folder, looked at by an account for which rights count, not root."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            (found,) = doctor_machine.folder(path, key="log")
            os.write(write_fd, f"{found.state}\n{found.remedy}".encode())
        finally:
            os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd) as told:
        state, _, remedy = told.read().partition("\n")
    os.waitpid(pid, 0)
    return state, remedy


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that other accounts may enter, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize("there", [True, False])
def test_folder_behind_a_shut_one_is_told_with_what_opens_it(open_place: Path, there: bool) -> None:
    shut = open_place / "shut"
    shut.mkdir()
    if there:
        (shut / "log").mkdir()
    shut.chmod(0)
    state, remedy = seen_without_rights(shut / "log")
    shut.chmod(0o700)

    assert state == "failed"
    assert remedy.endswith(f"or run: sudo chmod o+x {shut}")


def test_folder_that_leads_behind_a_shut_one_is_told_with_what_opens_it(open_place: Path) -> None:
    shut = open_place / "shut"
    (shut / "log").mkdir(parents=True)
    (open_place / "log").symlink_to(shut / "log")
    shut.chmod(0)
    state, remedy = seen_without_rights(open_place / "log")
    shut.chmod(0o700)

    assert state == "failed"
    assert remedy.endswith(f"or run: sudo chmod o+x {shut}")


def test_own_folder_without_rights_is_opened_by_its_remedy(open_place: Path) -> None:
    folder = open_place / "out"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    folder.chmod(0o500)
    state, remedy = seen_without_rights(folder)
    assert (state, remedy) == ("failed", f"run: chmod u+rwx {folder}")

    subprocess.run(["sh", "-c", remedy.removeprefix("run: ")], check=True)
    assert seen_without_rights(folder) == ("ok", "")


def failures(told: str) -> dict[str, dict[str, str]]:
    """The checks that failed; in its ordinary haste, one of the database may be among them."""
    checks = json.loads(told)["checks"]
    return {one["check"]: one for one in checks if one["state"] == "failed"}


def test_doctor_says_8_when_the_output_is_read_only(patient: Patient) -> None:
    command = Command(patient.folder, "", **patient.settings)
    output = patient.folder / "output"
    doctor = f"'{sys.executable}' -m noggin_mp -c {command.config} doctor --json --offline"
    mounted = f"mount --bind {output} {output} && mount -o remount,bind,ro {output}"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"({mounted}) || exit 99; exec {doctor}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 99 or "unshare" in done.stderr:
        pytest.skip("no file system may be mounted here")

    assert done.returncode == 8
    found = failures(done.stdout)["folder output"]
    assert "Read-only file system" in found["found"]
    assert found["remedy"].startswith("mount it writable")


def test_doctor_says_8_and_by_whom_when_the_port_is_taken(patient: Patient) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        patient.spoil("monitor", bind=f"127.0.0.1:{taken.getsockname()[1]}")
        code, told, _ = patient.finding("port", "failed")

    assert code == 8
    assert f"process {os.getpid()} " in told


def test_doctor_tells_every_fault_of_the_configuration(tmp_path: Path) -> None:
    command = Command(tmp_path, "")
    command.config.write_text("fleet:\n  workers: none\n  wrkers: 3\n")
    done = command("doctor", "--json")

    assert done.code == 3
    faults = [one for one in done.json["checks"] if one["state"] == "failed"]
    assert [one["check"] for one in faults] == ["configuration"] * 2
    assert faults[0]["found"].startswith(f"{command.config}:2: ")
    assert 'did you mean "workers"' in faults[1]["remedy"]


def test_doctor_says_8_when_too_few_files_may_be_open(patient: Patient) -> None:
    patient.spoil("fleet", workers=30, threads=60)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        code, told, remedy = patient.finding("limits", "failed", "--offline")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert code == 8
    assert told.startswith("open files 300 ")
    assert "LimitNOFILE=424" in remedy


def test_doctor_names_the_hard_limit_when_no_shell_can_help(patient: Patient) -> None:
    command = Command(patient.folder, "", **patient.settings)
    done = subprocess.run(
        ["prlimit", "--nofile=70:71", sys.executable, "-m", "noggin_mp", "-c",
         str(command.config), "doctor", "--json", "--offline"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    found = failures(done.stdout)["limits"]
    assert "hard 71" in found["found"]
    assert found["remedy"].startswith("set LimitNOFILE=76 in the unit, or nofile in ")


def test_doctor_speaks_plainly_to_a_pipe_and_marks_for_a_terminal(patient: Patient) -> None:
    patient.spoil("attachments", min_free_bytes=10**18)
    done = Command(patient.folder, "", **patient.settings)("doctor", "--offline")
    (line,) = (one for one in done.out.splitlines() if one.startswith("failed"))
    assert line.endswith("; make room there, or lower attachments.min_free_bytes")
    assert not {"→", "\x1b"} & set(done.out)

    ours, theirs = pty.openpty()
    try:
        done_there = subprocess.run(
            [sys.executable, "-m", "noggin_mp", "-c", f"{patient.folder}/noggin.yaml", "doctor"],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, check=False,
            env={name: text for name, text in os.environ.items() if name != "NO_COLOR"},
            timeout=300,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    finally:
        os.close(ours)
    assert (done_there.returncode, done_there.stderr) == (8, b"")
    for text in ("✓", "✗", "→ make room there", "\x1b["):
        assert text in shown.decode()


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # the other end is closed
        return b""


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
