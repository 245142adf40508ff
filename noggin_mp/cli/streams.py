"""Descriptors 0, 1 and 2, as every program expects them: open, whoever has closed them."""

import os
import sys
from typing import Final

_STREAMS: Final = ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w"))


def complete() -> None:
    """Have what was closed when we were started lead nowhere.

    Otherwise the next file or socket that is opened gets its number, and with it what is printed
    and logged. To be called before anything is opened.
    """
    for fd, name, mode in _STREAMS:
        try:
            os.fstat(fd)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free: fd
        if getattr(sys, name) is None:
            stream = open(fd, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
