"""The folder of metrics files in shared memory: whose it is, and when it goes."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noggin_mp.supervisor import holdings
from tests.supervisor.test_lone_processes import lone, noted
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Start


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shared memory of our own."""
    monkeypatch.setattr(holdings, "_SHARED_MEMORY", tmp_path / "shm")
    (tmp_path / "shm").mkdir()
    return tmp_path / "shm"


def state_folder(tmp_path: Path, name: str) -> Path:
    (tmp_path / name).mkdir()
    return tmp_path / name


def test_folders_of_vanished_state_folders_are_swept(tmp_path: Path, memory: Path) -> None:
    living = holdings.metrics_folder(state_folder(tmp_path, "living"))
    gone = holdings.metrics_folder(state_folder(tmp_path, "gone"))
    (gone / "counter_1.db").write_bytes(b"x")
    (tmp_path / "gone").rmdir()
    foreign = memory / f"noggin-mp-{os.geteuid()}-unsigned"  # of nobody knows whom: left alone
    foreign.mkdir()
    file = memory / f"noggin-mp-{os.geteuid()}-file"
    file.touch()
    holdings.sweep_metrics()

    assert sorted(memory.iterdir()) == sorted([living, foreign, file])


def test_folder_is_forgotten_but_not_what_a_person_should_see(tmp_path: Path, memory: Path) -> None:
    folder = holdings.metrics_folder(state_folder(tmp_path, "state"))
    (folder / "counter_1.db").write_bytes(b"x")
    (folder / "corrupt").mkdir()
    (folder / "corrupt" / "counter_2.db.17").write_bytes(b"x")
    holdings.forget_metrics(folder)

    assert [path.name for path in folder.iterdir()] == ["corrupt"]
    (folder / "corrupt" / "counter_2.db.17").unlink()
    (folder / "corrupt").rmdir()
    holdings.forget_metrics(folder)
    assert not folder.exists()
    holdings.forget_metrics(folder)


def test_folder_is_kept_for_the_next_start_when_the_supervisor_is_killed(start: "Start") -> None:
    host = start()
    host.until_running()
    folder = holdings.metrics_folder(host.state)
    host.signal(signal.SIGKILL)
    until(lambda: not host.children())
    assert list(folder.glob("*_supervisor.db"))

    host = start()
    host.until_running()
    host.signal(signal.SIGTERM)
    assert host.wait() == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    "number",
    [signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH],
)
def test_lone_process_lives_on_when_it_gets_a_supervisors_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    with lone(tmp_path) as process:
        until(lambda: noted(tmp_path, "started"))
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 0
