"""`doctor`: folders, limits and ports spoilt, and what is said of each."""

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

from noggin_mp.cli import doctor_machine
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
