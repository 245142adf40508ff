"""What only Linux gives: death signals, process titles, the count of threads."""

import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_COMM_CHARS = 15
"""Source: prctl(2): a thread's name has at most 16 bytes with its final NUL."""

_libc = ctypes.CDLL(None, use_errno=True)


def thread_count() -> int:
    """How many threads this process has, those of C libraries included."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel KILL this process when its parent ends; ends it now if that has happened.

    Raises: OSError when the kernel refuses.
    """
    _at_parents_death(signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def drain_with_supervisord() -> None:
    """Under supervisord, have the kernel TERM this process when supervisord itself is killed.

    Nobody would look after us, and the next supervisord would start a second of us. When it is
    gone already the signal comes at once.
    Source: supervisord sets SUPERVISOR_ENABLED for what it starts. Raises: OSError.
    """
    if not os.environ.get("SUPERVISOR_ENABLED"):
        return
    _at_parents_death(signal.SIGTERM)
    if os.getppid() == 1 and not _is_supervisord(1):  # in a container supervisord may be the first
        signal.raise_signal(signal.SIGTERM)


def _is_supervisord(pid: int) -> bool:
    try:
        return b"supervisord" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True  # not ours to see: it may well be


def _at_parents_death(number: signal.Signals) -> None:
    if _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Title:
    """The name `ps` shows for this process, written over its command line in place.

    The command line's memory is the only place that needs no privilege to change; a title longer
    than the original command line is cut. The short name (`ps -o comm`, `top`) is set as well.
    """

    def __init__(self) -> None:
        self._start, self._size = _command_line_area()
        self._shown = ""

    def show(self, title: str, *, short: str) -> None:
        """Show `title` in `ps` and `short` (15 characters) in `top`."""
        if title == self._shown:
            return
        self._shown = title
        _libc.prctl(_PR_SET_NAME, short.encode()[:_COMM_CHARS], 0, 0, 0)
        if self._size > 1:
            text = title.encode()[: self._size - 1]
            ctypes.memmove(self._start, text.ljust(self._size, b"\0"), self._size)


def _command_line_area() -> tuple[int, int]:
    """Address and length of the command line in this process's memory; (0, 0) when not told.

    Source: proc(5), /proc/pid/stat: fields 48 arg_start and 49 arg_end (3 is the first after comm).
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        command_line = Path("/proc/self/cmdline").read_bytes()
        start, end = int(fields[48 - 3]), int(fields[49 - 3])
    except (OSError, ValueError, IndexError):
        return 0, 0
    # Trust the numbers only if what lies there is what the kernel shows.
    if end <= start or end - start != len(command_line):
        return 0, 0
    return (start, end - start) if ctypes.string_at(start, end - start) == command_line else (0, 0)
