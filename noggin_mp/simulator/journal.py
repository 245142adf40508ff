"""The log of requests: one JSON line each, in one file that all processes append to.

Times are CLOCK_MONOTONIC nanoseconds, the same clock for every process of this machine. A line is
one write to a file opened for appending, so lines of several processes never mix.
"""

import json
import os
import tempfile
import time
from pathlib import Path

from noggin_mp.domain import errors


def now_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def open_log(path: Path | None) -> int:
    """A descriptor that appends to `path`, or to a nameless temporary file.

    Raises: PathUnusable.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags, 0o644)
        descriptor, name = tempfile.mkstemp(prefix="noggin-simulator-")
        os.close(descriptor)
        descriptor = os.open(name, flags)
        Path(name).unlink()
    except OSError as error:
        raise errors.PathUnusable(
            f"cannot write the request log {path or tempfile.gettempdir()}: {error.strerror}",
            remedy="name a file in a folder that you may write to with --log",
        ) from error
    return descriptor


class Entry:
    """One request on its way; `done` writes its line."""

    __slots__ = ("agent", "fault", "method", "path", "role", "start_ns", "status", "tip", "token")

    def __init__(self, *, method: str, path: str, agent: str) -> None:
        self.start_ns = now_ns()
        self.method = method
        self.path = path
        self.agent = agent
        self.role = "other"
        self.tip = ""
        self.status = 0
        self.fault = ""
        self.token = False


class Journal:
    """Writes the lines of one process; without a descriptor it writes nothing."""

    __slots__ = ("_descriptor", "_slot")

    def __init__(self, descriptor: int | None, *, slot: int) -> None:
        self._descriptor = descriptor
        self._slot = slot

    def write(self, entry: Entry, *, sent_bytes: int, aborted: bool) -> None:
        """Append the line of a request that has ended, or whose last bytes are about to go."""
        if self._descriptor is None:
            return
        end_ns = now_ns()
        line = (
            f'{{"start_ns":{entry.start_ns},"end_ns":{end_ns},"slot":{self._slot},'
            f'"method":{json.dumps(entry.method)},"path":{json.dumps(entry.path)},'
            f'"tip":{json.dumps(entry.tip)},"role":"{entry.role}",'
            f'"user_agent":{json.dumps(entry.agent)},"token":{_bool(entry.token)},'
            f'"status":{entry.status},"fault":"{entry.fault}","bytes":{sent_bytes},'
            f'"duration_us":{(end_ns - entry.start_ns) // 1000},"aborted":{_bool(aborted)}}}\n'
        )
        os.write(self._descriptor, line.encode())


def _bool(value: bool) -> str:
    return "true" if value else "false"


def read(descriptor: int, *, since: int, since_ns: int = 0) -> tuple[bytes, int]:
    """The lines from byte `since` on, and the byte to go on from.

    With `since_ns`, only those of requests begun after it.
    """
    parts, at = [], since
    while block := os.pread(descriptor, 1 << 20, at):
        parts.append(block)
        at += len(block)
    text = b"".join(parts)
    whole = text[: text.rfind(b"\n") + 1]
    if since_ns:
        lines = whole.splitlines(keepends=True)
        chosen = b"".join(line for line in lines if json.loads(line)["start_ns"] > since_ns)
        return chosen, since + len(whole)
    return whole, since + len(whole)


def size(descriptor: int) -> int:
    """How many bytes the log holds."""
    return os.fstat(descriptor).st_size
