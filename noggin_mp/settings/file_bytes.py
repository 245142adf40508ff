"""The bytes of a file of the configuration, or of a secret: bounded in every way it can be."""

import os
import select
import stat
import time
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1 << 20
PIPE_S: Final = 5.0
"""What is read from a pipe (`-c <(program)`) must be whole within so many seconds."""


class Unfit(Exception):
    """It can be opened, but it is no configuration: a reason and a remedy."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def read(path: Path) -> bytes:
    """All that is in the file. A pipe, a terminal or a device cannot make it wait for ever.

    Raises: OSError; Unfit for what is too large, or does not come.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        raw = _all(fd)
        if not raw and stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise Unfit("is a pipe into which nobody writes", "name a file")
        return raw
    finally:
        os.close(fd)


def _all(fd: int) -> bytes:
    raw, deadline = bytearray(), time.monotonic() + PIPE_S
    poll = select.poll()  # select itself takes no descriptor above 1023
    poll.register(fd, select.POLLIN)
    while len(raw) <= MAX_BYTES:
        try:
            data = os.read(fd, MAX_BYTES + 1 - len(raw))
        except BlockingIOError:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not poll.poll(left_s * 1000):
                raise Unfit(f"is no file, and gave nothing for {PIPE_S:g} s") from None
            continue
        if not data:
            return bytes(raw)
        raw += data
        if time.monotonic() > deadline:
            raise Unfit(f"was not read whole within {PIPE_S:g} s")
    raise Unfit("is larger than 1 MiB")
