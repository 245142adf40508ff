"""`status` and `health` read the settings beside the import of the database's driver."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.cli import ahead
from noggin_mp.settings.schema import Settings
from tests.support.command import Command

KNOWN = ahead.Essentials.of(Settings())
ONE_CORE = "one core: nothing is read ahead there"
NO_SETTINGS_HERE = """
import sys
from noggin_mp.cli import main
code = main.run(sys.argv[1:])
sys.exit(code or ("pydantic" in sys.modules) * 99)
"""


@pytest.fixture
def noggin(tmp_path: Path, migrated: str) -> Command:
    return Command(tmp_path, migrated, attachments={"min_free_bytes": 0})


def asked(read: Callable[[Path | None], ahead.Essentials]) -> ahead.Reader:
    """A child at work."""
    reader = ahead.Reader(read)
    reader.ask(None)
    return reader


def test_reader_reads_the_file_that_it_is_told() -> None:
    reader = ahead.Reader(lambda config: KNOWN._replace(state=str(config)))
    reader.ask(Path("/some/n.yaml"))
    assert reader.told() == KNOWN._replace(state="/some/n.yaml")


def test_reader_ends_when_it_is_never_asked() -> None:
    reader = ahead.Reader(lambda _: KNOWN)
    os.close(reader._order)
    assert reader.told() is None


@pytest.mark.parametrize(
    ("words", "early"),
    [
        (["status"], True),
        (["-c", "status", "health", "--json"], True),
        (["--json", "--config", "n.yaml", "status"], True),
        (["-c", "status", "run"], False),
        (["fleet", "status"], False),
        ([], False),
        (["-c"], False),
    ],
)
def test_reader_is_prepared_for_verbs_that_look(
    words: list[str], early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_prepared", [])
    monkeypatch.setattr(ahead, "_made", lambda: asked(lambda _: KNOWN))
    ahead.prepare(words)
    assert [reader.told() for reader in ahead._prepared] == [KNOWN] * early


def test_reader_tells_what_was_read() -> None:
    assert asked(lambda _: KNOWN).told() == KNOWN


def test_reader_tells_nothing_when_the_settings_cannot_be_read() -> None:
    assert asked(lambda _: Settings(fleet=1) and KNOWN).told() is None


def test_reader_tells_nothing_when_its_child_is_killed() -> None:
    def killed(_: Path | None) -> ahead.Essentials:
        os.kill(os.getpid(), signal.SIGKILL)
        return KNOWN

    assert asked(killed).told() is None


def test_no_child_is_made_when_it_would_save_nothing() -> None:
    assert "pydantic" in sys.modules
    assert ahead.start(None) is None


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason=ONE_CORE)
@pytest.mark.parametrize("verb", ["status", "health"])
def test_verb_does_not_import_the_settings_itself(noggin: Command, verb: str) -> None:
    words = ["-c", str(noggin.config), verb, "--json"]

    done = subprocess.run(
        [sys.executable, "-c", NO_SETTINGS_HERE, *words],
        cwd=noggin.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == ({"status": 0, "health": 1}[verb], "")


@pytest.mark.parametrize("verb", ["status", "health"])
def test_broken_configuration_is_told_once_and_in_place(noggin: Command, verb: str) -> None:
    noggin.config.write_text("fleet:\n  workers: many\n")

    done = subprocess.run(
        [sys.executable, "-m", "noggin_mp", "-c", str(noggin.config), verb],
        cwd=noggin.folder,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("noggin.yaml:2:12") == 1


@pytest.mark.parametrize("verb", ["status", "health"])
def test_fault_in_a_piped_configuration_is_told(noggin: Command, verb: str) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"fleet:\n  workers: many\n")
    os.close(writing)
    config = f"/dev/fd/{reading}"

    done = subprocess.run(
        [sys.executable, "-m", "noggin_mp", "-c", config, verb],
        cwd=noggin.folder,
        capture_output=True,
        text=True,
        check=False,
        pass_fds=[reading],
    )
    os.close(reading)

    assert done.returncode == 3
    assert f"{config}:2:12: fleet.workers must be a whole number" in done.stderr


def test_verb_works_where_the_end_of_children_is_ignored(noggin: Command) -> None:
    """As whatever runs in bash after `trap '' CHLD`: Linux hands that down."""
    ours = [sys.executable, "-m", "noggin_mp", "-c", str(noggin.config), "status", "--json"]

    done = subprocess.run(
        ours,
        cwd=noggin.folder,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )

    assert (done.returncode, done.stderr) == (0, "")
