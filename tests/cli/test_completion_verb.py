"""`completion`: the script of each shell, and what is offered with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from noggin_mp.cli import main
from noggin_mp.cli.context import Context
from tests.support.command import Command


def asking(words: str, at: int) -> dict[str, str]:
    """The variables in which a bash says what stands on the line, and which word is wanted."""
    return {main.COMPLETE: "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}


def named(told: str) -> list[str]:
    """The words offered, without their kinds."""
    return [line.partition(",")[2] for line in told.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [
        ("noggin-mp", 1, list(main.VERBS)),
        ("noggin-mp st", 1, ["status"]),
        ("noggin-mp dead", 2, ["discard", "list", "retry", "show"]),
        ("noggin-mp tips retry --dr", 3, ["--dry-run"]),
        ("noggin-mp export", 2, ["records", "attachments", "errors"]),
        ("noggin-mp nonsense x", 2, []),
        ("noggin-mp --no-c", 1, ["--no-color"]),
    ],
)
def test_words_are_offered(
    words: str, at: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in asking(words, at).items():
        monkeypatch.setenv(name, value)
    made = BashComplete(main.root, {"obj": Context()}, "noggin-mp", main.COMPLETE)
    assert named(made.complete()) == expected


def test_program_answers_a_shell() -> None:
    code = "from noggin_mp.cli import main; main.entry()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | asking("noggin-mp he", 1),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr, named(done.stdout)) == (0, "", ["health"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_is_printed_for(shell: str, tmp_path: Path) -> None:
    noggin = Command(tmp_path, "")
    done = noggin("completion", shell)
    assert (done.code, main.COMPLETE in done.out) == (0, True)
    assert noggin("completion", shell, "--json").json["script"].strip() == done.out.strip()
    assert noggin("completion", "tcsh").code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash to read its own script")
def test_bash_takes_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(Command(tmp_path, "")("completion", "bash").out)
    told = subprocess.run(
        ["bash", "-c", f"source {script} && complete -p noggin-mp"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (told.returncode, "noggin-mp" in told.stdout) == (0, True)
