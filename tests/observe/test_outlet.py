"""Logs to a reader that has stopped reading: the process goes on, and says what is missing."""

import json
import os
import pty
import socket
import subprocess
import sys
import tty

import pytest

RECORDS = 4000

WRITER = """
import sys
from noggin_mp.observe import logs, outlet
if sys.argv[1] == "foreign":  # a pipe that another user has made, as supervisord does
    outlet._opened_again = lambda fd: None
logs.configure(level="info", format="json")
log = logs.get("job")
for number in range(int(sys.argv[2])):
    log.info("stepped", number=number)
print("written", flush=True)
sys.stdin.readline()
log.info("ended")
"""


def ends(kind: str) -> tuple[int, int]:
    """A descriptor to read from, and one to write to."""
    if kind == "terminal":
        reader, writer = pty.openpty()
        tty.setraw(writer)
        return reader, writer
    if kind == "socket":
        one, other = socket.socketpair()
        return one.detach(), other.detach()
    return os.pipe()


def read_all(fd: int) -> bytes:
    """What has been written by now, without a wait for more."""
    os.set_blocking(fd, False)
    found = b""
    while True:
        try:
            data = os.read(fd, 65536)
        except (BlockingIOError, OSError):
            return found
        if not data:
            return found
        found += data


@pytest.mark.parametrize("kind", ["pipe", "foreign", "socket", "terminal"])
def test_process_goes_on_and_tells_what_is_missing_when_nobody_reads_its_log(kind: str) -> None:
    reader, writer = ends(kind)
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, kind, str(RECORDS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=writer, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "written\n"
        before = read_all(reader)

        process.stdin.write("\n")
        process.stdin.close()
        assert process.wait(120) == 0
        after = read_all(reader)
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)

    whole, _, torn = before.rpartition(b"\n")
    numbers = [json.loads(line)["number"] for line in whole.splitlines()]
    assert numbers == list(range(len(numbers)))
    told = [json.loads(line) for line in after[torn != b"" :].splitlines()]
    assert [one["event"] for one in told] == ["ended", "log_stream_back"]
    assert told[1]["records_missing"] == RECORDS - len(numbers)


def test_flags_of_a_shared_stream_stay_as_they_are_when_logs_go_there() -> None:
    reader, writer = os.pipe()
    try:
        code = (
            "from noggin_mp.observe import logs\nlogs.configure()\nlogs.get('job').error('failed')"
        )
        subprocess.run([sys.executable, "-c", code], stderr=writer, check=True, timeout=120)
        assert os.get_blocking(writer)
        assert b'"event": "failed"' in read_all(reader)
    finally:
        os.close(reader)
        os.close(writer)
