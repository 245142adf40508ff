"""Processes without a supervisor, and the checks before a start: each in a process of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import schema
from noggin_mp.supervisor import holdings, pidfile, preflight
from tests.supervisor import conftest
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Start

ALONE = """
import json, os, sys
from noggin_mp.domain import fleet
from noggin_mp.settings import schema
from noggin_mp.supervisor import alone
from tests.support import fleet_host
settings = schema.Settings.model_validate({"paths": {"state": sys.argv[1]}, "monitor": {"bind": "127.0.0.1:0"}, "fleet": {"grace_s": 1}})
alone._LATE_S = float(os.environ.get("LATE_S", "30"))
kind = fleet.ChildKind(sys.argv[2])
try:
    sys.exit(alone.run(kind, int(sys.argv[3]), settings, getattr(fleet_host, sys.argv[4])))
except fleet_host.errors.NogginError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""  # noqa: E501


@contextlib.contextmanager
def lone(
    folder: Path, kind: str = "worker", slot: int = 3, entry: str = "good"
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, str(folder / "state"), kind, str(slot), entry],
        env=os.environ | {"JOURNAL": str(folder / "journal")},
        cwd=Path(__file__).resolve().parents[2],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        finally:
            shutil.rmtree(holdings.metrics_folder(folder / "state"), ignore_errors=True)


def noted(folder: Path, event: str) -> list[dict[str, object]]:
    return [note for note in conftest.noted(folder / "journal") if note["event"] == event]


def started(folder: Path) -> list[dict[str, object]]:
    return noted(folder, "started")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_lone_worker_drains_when_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    with lone(tmp_path) as process:
        until(lambda: started(tmp_path))
        process.send_signal(number)

        assert process.wait(60) == 0
    assert (started(tmp_path)[0]["kind"], started(tmp_path)[0]["slot"]) == ("worker", 3)
    assert pidfile.read_state(tmp_path / "state")["state"] == "stopped"


def test_lone_worker_exits_130_when_interrupted_twice(tmp_path: Path) -> None:
    with lone(tmp_path, entry="slow") as process:
        until(lambda: started(tmp_path))
        process.send_signal(signal.SIGINT)
        until(lambda: noted(tmp_path, "asked"))
        process.send_signal(signal.SIGINT)

        assert process.wait(60) == 130


def test_lone_worker_gives_up_when_it_hangs_in_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATE_S", "0.2")
    with lone(tmp_path, entry="slow") as process:
        until(lambda: started(tmp_path))
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "still not ended after fleet.grace_s; giving up" in told
    assert not noted(tmp_path, "aborted")


@pytest.mark.parametrize("reader", ["gone", "stuck"])
def test_lone_worker_gives_up_when_nobody_reads_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setenv("LATE_S", "0.2")
    with lone(tmp_path, entry="slow") as process:
        until(lambda: started(tmp_path))
        assert process.stderr is not None
        if reader == "gone":
            process.stderr.close()
        else:
            fd = os.open(f"/proc/{process.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while os.write(fd, b"." * 4096):
                    pass
            os.close(fd)
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 1


def test_second_lone_worker_is_refused_when_its_slot_is_taken(tmp_path: Path) -> None:
    with lone(tmp_path) as first:
        until(lambda: started(tmp_path))
        with lone(tmp_path) as second:
            _, told = second.communicate(timeout=60)
        with lone(tmp_path, slot=4) as other:
            until(lambda: len(started(tmp_path)) == 2)
            other.terminate()
            other.wait(60)
        first.terminate()
        first.wait(60)

    assert second.returncode == 7
    assert f"worker 3 already works in {tmp_path / 'state'} as process {first.pid};" in told
    assert (first.returncode, other.returncode) == (0, 0)


@pytest.mark.parametrize(("kind", "slot"), [("worker", 1), ("monitor", 0)])
def test_lone_process_is_refused_when_a_supervisor_runs_its_slot(
    start: "Start", tmp_path: Path, kind: str, slot: int
) -> None:
    host = start()
    host.until_running()
    with lone(tmp_path, kind, slot) as process:
        _, told = process.communicate(timeout=60)

    assert process.returncode == 7
    assert f"the supervisor with process id {host.pid} runs {kind}" in told


def test_fleet_goes_on_when_it_grows_into_the_slot_of_a_lone_worker(
    start: "Start", tmp_path: Path
) -> None:
    host = start()
    host.until_running()
    with lone(tmp_path, "worker", 2) as process:
        until(lambda: len(started(tmp_path)) == 4)
        host.signal(signal.SIGTTIN)
        until(lambda: [slot["state"] for slot in host.said()["slots"]][2:] == ["parked"])
        assert f"process {process.pid} works in this slot by itself" in host.stderr()
        assert len(started(tmp_path)) == 4
        process.terminate()
        process.wait(10)

    host.signal(signal.SIGTTIN)
    host.until_running(4)


@pytest.mark.parametrize(("kind", "slot"), [("worker", 3), ("monitor", 0)])
def test_lone_process_is_refused_when_a_supervisor_has_only_just_come(
    tmp_path: Path, kind: str, slot: int
) -> None:
    settings = schema.Settings.model_validate(
        {"paths": {"state": str(tmp_path / "state")}, "monitor": {"bind": "127.0.0.1:0"}}
    )
    held = holdings.Holdings(settings)  # of four workers, and nothing is told of them yet
    try:
        with lone(tmp_path, kind, slot) as process:
            _, told = process.communicate(timeout=10)
    finally:
        held.close()

    assert process.returncode == 7
    assert f"the supervisor with process id {os.getpid()} runs {kind}" in told
    assert pidfile.lone(tmp_path / "state") == {}


@pytest.mark.parametrize(("kind", "slot"), [("worker", 0), ("monitor", 0)])
def test_supervisor_is_refused_when_a_lone_process_has_one_of_its_slots(
    tmp_path: Path, kind: str, slot: int
) -> None:
    settings = schema.Settings.model_validate(
        {"paths": {"state": str(tmp_path / "state")}, "monitor": {"bind": "127.0.0.1:0"}}
    )
    with lone(tmp_path, kind, slot) as process:
        until(lambda: started(tmp_path))
        with pytest.raises(errors.AlreadyRunning, match=f"by itself, as process {process.pid};"):
            holdings.Holdings(settings)
        process.terminate()
        process.wait(60)

    with lone(tmp_path, "worker", 9) as process:
        until(lambda: len(started(tmp_path)) == 2)
        holdings.Holdings(settings).close()  # beside one of another slot it may run
        process.terminate()
        process.wait(60)


def test_preflight_gives_what_was_found_when_all_is_well() -> None:
    assert preflight.run(lambda: {"pid": os.getpid()})["pid"] != os.getpid()


def test_preflight_raises_the_same_error_when_the_check_does() -> None:
    def check() -> dict[str, object]:
        raise errors.DatabaseUnreachable("nobody answers", remedy="start it")

    with pytest.raises(errors.DatabaseUnreachable, match="nobody answers; start it"):
        preflight.run(check)


def test_preflight_calls_it_a_bug_when_the_check_breaks() -> None:
    def check() -> dict[str, object]:
        raise KeyError("x")

    with pytest.raises(errors.NogginError, match=r"a bug .* KeyError"):
        preflight.run(check)


def test_preflight_says_so_when_the_check_dies() -> None:
    def check() -> dict[str, object]:
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    with pytest.raises(errors.NogginError, match=r"died \(-9\)"):
        preflight.run(check)


def test_preflight_ends_a_check_that_takes_too_long() -> None:
    def check() -> dict[str, object]:
        signal.pause()
        return {}

    with pytest.raises(errors.NogginError, match=r"died \(-9\)"):
        preflight.run(check, within_s=0.2)
