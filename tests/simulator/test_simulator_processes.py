"""The simulator as processes: start, announcement, every kind of end, a taken port, the command."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import click.testing
import pytest

from noggin_mp.cli import simulate
from noggin_mp.domain import errors
from noggin_mp.simulator import launch, options, ports
from tests.support.wait import until


def _alive(pid: int) -> bool:
    """True for a process that runs; one that waits to be reaped does not."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in ("Z", "X")
    return False


def _serving(running: launch.Running) -> list[int]:
    return [int(pid) for pid in running.control()["pids"]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_everything_with_0(number: signal.Signals) -> None:
    running = launch.start(options.Options(control=True, processes=3, tips=6))
    pids = _serving(running)
    assert len(set(pids)) == 3
    os.kill(running.pid, number)
    assert running.process.wait(timeout=60) == 0
    assert running.stop() == 0
    assert not any(_alive(pid) for pid in pids)


def test_no_orphan_is_left_when_the_parent_is_killed() -> None:
    running = launch.start(options.Options(control=True, processes=3, tips=6))
    pids = _serving(running)
    os.kill(running.pid, signal.SIGKILL)
    running.stop()
    until(lambda: not any(map(_alive, pids)), timeout_s=60, what="the serving processes ended")


def test_simulator_ends_when_its_launcher_is_killed() -> None:
    program = (
        "import os, signal; from noggin_mp.simulator import launch, options\n"
        "running = launch.start(options.Options(control=True, processes=2, tips=6))\n"
        "print(running.pid, *running.control()['pids'], flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 3
    until(lambda: not any(map(_alive, pids)), timeout_s=60, what="the simulator ended")


def test_everything_ends_when_one_process_dies() -> None:
    running = launch.start(options.Options(control=True, processes=2, tips=6))
    first, second = _serving(running)
    os.kill(first, signal.SIGKILL)
    assert running.process.wait(timeout=60) == 70
    running.stop()
    assert not _alive(second)


def test_port_in_use_names_the_process() -> None:
    with launch.running(tips=6) as running:
        port = int(running.base_url.rpartition(":")[2])
        # The kernel's table changes while it is read, and a line may be missed.
        until(lambda: ports.holder(port) is not None, what="who has the port")

        def named() -> bool:
            with pytest.raises(errors.PortInUse) as raised:
                ports.listen("127.0.0.1", port)
            assert raised.value.exit_code == 8
            return bool(re.search(r"by process \d+ \(.+\)", str(raised.value)))

        until(named, what="a refusal that names the process")
        with pytest.raises(errors.PortInUse):
            launch.start(options.Options(port=port))


def test_port_is_free_again_after_the_end() -> None:
    for attempt in range(5):  # a port that was given back may be anybody's by now
        with launch.running(tips=6) as running:
            port = int(running.base_url.rpartition(":")[2])
            running.http.request("GET", running.base_url + "/nothing")
        try:
            with launch.running(tips=6, port=port) as again:
                assert again.base_url == f"http://127.0.0.1:{port}"
                return
        except errors.PortInUse:
            assert attempt < 4


def test_listeners_are_on_loopback_only() -> None:
    with launch.running(tips=6, control=True) as running:
        urls = (running.base_url, str(running.control_url))
        numbers = {f"{int(url.split(':')[2].split('/')[0]):04X}" for url in urls}

        def ours() -> set[str]:
            lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
            local = [line.split()[1] for line in lines if line.split()[3] == "0A"]
            return {address for address in local if address.rpartition(":")[2] in numbers}

        # The table changes while it is read: a line may be missed, or seen twice.
        until(lambda: len(ours()) >= 2, what="both listeners in the kernel's table")
        assert ours() <= {f"0100007F:{number}" for number in numbers}


def test_log_file_is_appended_to_without_control(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "requests.ndjson"
    for count in (1, 2):
        with launch.running(tips=6, log=str(log)) as running:
            assert running.control_url is None
            running.http.request("GET", running.base_url + "/nothing")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line["path"] for line in lines] == ["/nothing"] * count


def test_command_prints_one_line_and_serves(tmp_path: Path) -> None:
    export = tmp_path / "all.csv"
    process = subprocess.Popen(
        [sys.executable, "-m", "noggin_mp", "simulate", "--port", "0", "--control", "--tips", "12",
         "--token", "made-up", "--namespace", "ns 1", "--export", str(export)],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    announced = json.loads(process.stdout.readline())
    assert announced["token"] == "made-up"
    assert announced["namespace"] == "ns 1"
    assert announced["pid"] == process.pid
    assert announced["tips"] == 12
    assert announced["exports"] == [str(export)]
    with socket.create_connection(("127.0.0.1", int(announced["base_url"].rpartition(":")[2]))):
        pass
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "")


def test_command_help_states_the_limits() -> None:
    result = click.testing.CliRunner().invoke(simulate.simulate, ["--help"])
    assert result.exit_code == 0
    assert "records/s" in result.output


def test_start_refuses_wrong_options_before_forking() -> None:
    with pytest.raises(errors.UsageError, match="unknown type"):
        launch.start(options.Options(types="XYZ"))


@pytest.mark.parametrize(("argument", "code"), [('{"tipz": 1}', 2), ("{", 2), ('{"tips": -1}', 2)])
def test_module_says_what_is_wrong_with_options(argument: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "noggin_mp.simulator", argument],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("simulator: ")
    assert "Traceback" not in done.stderr
