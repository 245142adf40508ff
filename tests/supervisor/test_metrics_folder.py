"""The folder of metrics files in shared memory: whose it is, and when it goes."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noggin_mp.settings import schema
from noggin_mp.supervisor import holdings, running
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


def killed(state: Path) -> Path:
    """The folder of a supervisor that was killed."""
    folder, claim = holdings.claimed_metrics(state)
    assert claim is not None
    os.close(claim)
    return folder


def test_folders_that_nobody_claims_any_more_are_swept(tmp_path: Path, memory: Path) -> None:
    living, claim = holdings.claimed_metrics(state_folder(tmp_path, "living"))
    hidden, other_claim = holdings.claimed_metrics(state_folder(tmp_path, "hidden"))
    (tmp_path / "hidden").rmdir()  # as a folder looks that only another container has
    dead = killed(state_folder(tmp_path, "dead"))
    (dead / "counter_1.db").write_bytes(b"x")
    older = holdings.metrics_folder(state_folder(tmp_path, "older"))  # its version claims nothing
    foreign = memory / f"noggin-mp-{os.geteuid()}-unsigned"  # of nobody knows whom: left alone
    foreign.mkdir()
    file = memory / f"noggin-mp-{os.geteuid()}-file"
    file.touch()
    holdings.sweep_metrics()

    assert sorted(memory.iterdir()) == sorted([living, hidden, older, foreign, file])
    for one in (claim, other_claim):
        assert one is not None
        os.close(one)
    holdings.sweep_metrics()
    assert sorted(memory.iterdir()) == sorted([older, foreign, file])


def test_folder_is_claimed_by_whoever_inherited_the_claim(tmp_path: Path, memory: Path) -> None:
    folder, claim = holdings.claimed_metrics(state_folder(tmp_path, "state"))
    assert claim is not None
    script = "import sys\nprint(flush=True)\nsys.stdin.read()"
    heir = subprocess.Popen(
        [sys.executable, "-c", script], pass_fds=[claim], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert heir.stdout is not None
    heir.stdout.readline()
    os.close(claim)
    holdings.sweep_metrics()
    assert folder.exists()
    heir.communicate()
    holdings.sweep_metrics()
    assert not folder.exists()


def test_links_and_what_others_own_are_left_alone(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = state_folder(tmp_path, "target")
    for name in ("state-folder", "claim", "counter_1.db"):
        (target / name).write_text("/nowhere\n")
    (memory / f"noggin-mp-{os.geteuid()}-link").symlink_to(target)
    folder = killed(state_folder(tmp_path, "state"))
    (folder / "claim").unlink()
    (folder / "claim").symlink_to(target / "claim")
    kept = sorted(target.iterdir())
    holdings.sweep_metrics()
    assert sorted(target.iterdir()) == kept
    assert folder.exists()

    mine = killed(state_folder(tmp_path, "mine"))
    owner = os.geteuid()
    renamed = mine.with_name(mine.name.replace(f"-{owner}-", f"-{owner + 1}-"))
    mine.rename(renamed)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    holdings.sweep_metrics()
    assert renamed.exists()


def test_what_was_put_aside_stays_until_its_state_folder_is_gone(
    tmp_path: Path, memory: Path
) -> None:
    folder = killed(state_folder(tmp_path, "state"))
    (folder / "counter_1.db").write_bytes(b"x")
    (folder / "corrupt").mkdir()
    (folder / "corrupt" / "counter_2.db.17").write_bytes(b"x")
    holdings.sweep_metrics()
    assert sorted(path.name for path in folder.iterdir()) == ["claim", "corrupt", "state-folder"]
    (tmp_path / "state").rmdir()
    holdings.sweep_metrics()
    assert not folder.exists()


def test_folders_are_claimed_while_others_sweep(tmp_path: Path, memory: Path) -> None:
    """Whoever comes while a folder is swept has one of its own in the end, claimed and there."""
    state, over = state_folder(tmp_path, "state"), threading.Event()

    def sweep() -> None:
        while not over.is_set():
            holdings.sweep_metrics()

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(200):
            folder, claim = holdings.claimed_metrics(state)
            (folder / "counter_1.db").write_bytes(b"x")
            if claim is not None:  # else all its tries met the sweeper
                assert (folder / "state-folder").read_text() == f"{state}\n"
                assert (folder / "counter_1.db").exists()
                os.close(claim)
    finally:
        over.set()
        sweeper.join()


def test_folder_is_forgotten_but_not_what_a_person_should_see(tmp_path: Path, memory: Path) -> None:
    folder = holdings.metrics_folder(state_folder(tmp_path, "state"))
    (folder / "counter_1.db").write_bytes(b"x")
    (folder / "corrupt").mkdir()
    (folder / "corrupt" / "counter_2.db.17").write_bytes(b"x")
    holdings.forget_metrics(folder)

    assert sorted(path.name for path in folder.iterdir()) == ["corrupt", "state-folder"]
    (folder / "corrupt" / "counter_2.db.17").unlink()
    (folder / "corrupt").rmdir()
    holdings.forget_metrics(folder)
    assert not folder.exists()
    holdings.forget_metrics(folder)


def test_folder_of_a_killed_supervisor_serves_the_next_one(start: "Start") -> None:
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


def test_folder_of_a_killed_supervisor_is_swept_by_another_of_its_user(
    start: "Start", tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the supervisor uses the machine's memory
    host = start()
    host.until_running()
    folder = holdings.metrics_folder(host.state)
    holdings.sweep_metrics()
    assert list(folder.glob("*_supervisor.db"))  # it is in use

    host.signal(signal.SIGKILL)
    host.process.wait()

    def swept() -> bool:
        holdings.sweep_metrics()
        return not folder.exists()

    until(swept, what="its last child gives the folder free")
    assert not host.children()


@pytest.fixture
def config(tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(running, "_SHARED_MEMORY", memory)
    (tmp_path / "n.yaml").touch()
    return tmp_path / "n.yaml"


def publication(config: Path, state: Path) -> running.Publication:
    made = running.Publication(file=config, pinned={}, salt="")
    settings = schema.Settings.model_validate({"paths": {"state": str(state)}})
    made.publish(settings, version=1, texts={})
    return made


def test_pointer_is_swept_when_its_supervisor_lives_no_more(
    tmp_path: Path, config: Path, memory: Path
) -> None:
    state = state_folder(tmp_path, "state")
    made = publication(config, state)
    running.sweep()
    assert running._state_folder(config) == state
    [pointer] = memory.iterdir()
    assert pointer.stat().st_mode & 0o777 == 0o644
    older = memory / f"noggin-mp-config-{os.geteuid()}-older"
    older.write_text('{"state": "/s"}')
    assert made._claim is not None
    os.close(made._claim)  # as the kernel does it for the dead
    running.sweep()
    assert list(memory.iterdir()) == [older]


def test_pointer_that_was_removed_is_made_again(tmp_path: Path, config: Path, memory: Path) -> None:
    state = state_folder(tmp_path, "state")
    made = publication(config, state)
    [pointer] = memory.iterdir()
    pointer.unlink()
    (state / running.SHOWN_FILE).unlink()
    made.look(time.monotonic())
    assert list(memory.iterdir()) == [pointer]
    assert running._state_folder(config) == state
    made.withdraw()
    assert list(memory.iterdir()) == []


def test_pointer_stays_while_another_supervisor_runs_with_the_file(
    tmp_path: Path, config: Path, memory: Path
) -> None:
    first = publication(config, state_folder(tmp_path, "first-with-a-long-name"))
    second = publication(config, state_folder(tmp_path, "second"))
    first.withdraw()
    assert running._state_folder(config) == tmp_path / "second"
    second.withdraw()
    second.withdraw()
    assert list(memory.iterdir()) == []


def test_pointer_that_is_a_link_is_neither_followed_nor_removed(
    tmp_path: Path, config: Path, memory: Path
) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    link = running._pointer(config, os.geteuid())
    link.symlink_to(target)
    made = publication(config, state_folder(tmp_path, "state"))
    made.withdraw()
    running.sweep()
    assert (link.is_symlink(), target.read_text()) == (True, "precious")


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
