"""Commands whose output has nowhere to go: the right exit code, one sentence, and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAID = (
    b"noggin-mp: standard output cannot be written: No space left on device;"
    b" free some space there\n"
)
LOCAL, USAGE, CONFIG = 8, 2, 3


def run(
    *words: str, stdout: str, stderr: str = "", unbuffered: bool, folder: Path
) -> tuple[int, bytes]:
    """The exit code and what was told on stderr; with `stderr` that goes there, too."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if unbuffered:
        env["PYTHONUNBUFFERED"] = "1"
    mode = "r" if stdout == os.devnull else "w"
    with Path(stdout).open(mode) as out, Path(stderr or os.devnull).open("w") as err:
        done = subprocess.run(
            [sys.executable, "-m", "noggin_mp", *words],
            cwd=folder,
            env=env | {"PYTHONPATH": str(Path.cwd())},
            stdout=out,
            stderr=err if stderr else subprocess.PIPE,
            timeout=120,
            check=False,
        )
    return done.returncode, done.stderr or b""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "n.yaml").write_text("paths: {state: s, input: i, output: o, log: l}\n")
    (tmp_path / "wrong.yaml").write_text("fleet: {workers: 0}\n")
    return tmp_path


@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    "words",
    [
        "-c n.yaml doctor --offline",
        "-c n.yaml doctor --offline --json",
        "-c n.yaml config show",
        "config schema",  # larger than any buffer
        "-c n.yaml db status --json",
    ],
)
def test_full_stdout_ends_a_command_with_the_code_of_a_full_disk(
    words: str, unbuffered: bool, folder: Path
) -> None:
    found = run(*words.split(), stdout="/dev/full", unbuffered=unbuffered, folder=folder)
    assert found == (LOCAL, SAID)


@pytest.mark.parametrize("words", ["--version", "--help", "run --help", "completion bash"])
def test_full_stdout_is_told_by_what_click_prints_itself(words: str, folder: Path) -> None:
    found = run(*words.split(), stdout="/dev/full", unbuffered=False, folder=folder)
    assert found == (LOCAL, SAID)


@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("words", "code"), [("nosuch --json", USAGE), ("-c wrong.yaml config show --json", CONFIG)]
)
def test_error_that_stdout_cannot_take_is_told_on_stderr_and_keeps_its_code(
    words: str, code: int, unbuffered: bool, folder: Path
) -> None:
    found, said = run(*words.split(), stdout="/dev/full", unbuffered=unbuffered, folder=folder)
    assert (found, said.count(b"\n"), b"Traceback" in said) == (code, 1, False)
    assert said.startswith(b"noggin-mp: ")


@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize(
    ("words", "stdout", "code"),
    [
        ("-c n.yaml config show", "/dev/full", LOCAL),
        ("-c n.yaml config show", "out", 0),
        ("-c n.yaml db stop", "out", 0),
        ("nosuch", "out", USAGE),
        ("nosuch --json", "/dev/full", USAGE),
    ],
)
def test_full_stderr_changes_no_exit_code(
    words: str, stdout: str, code: int, unbuffered: bool, folder: Path
) -> None:
    out = stdout if stdout.startswith("/") else str(folder / stdout)
    found, _ = run(
        *words.split(), stdout=out, stderr="/dev/full", unbuffered=unbuffered, folder=folder
    )
    assert found == code


@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
def test_stdout_that_can_only_be_read_is_told_as_what_it_is(unbuffered: bool, folder: Path) -> None:
    words = ["-c", "n.yaml", "config", "show"]
    found = run(*words, stdout=os.devnull, unbuffered=unbuffered, folder=folder)
    told = b"noggin-mp: standard output cannot be written: Bad file descriptor; send it elsewhere\n"
    assert found == (LOCAL, told)
