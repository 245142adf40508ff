"""Descriptors 0, 1 and 2: open, whoever has closed them, and empty in the end, whatever is full."""

import contextlib
import errno
import os
import sys
from typing import Final, TextIO

from noggin_mp.domain import errors

NO_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)

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


def unwritable(stream: TextIO) -> OSError | None:
    """Why what was printed to this stream cannot be written; None when it could be, by now."""
    try:
        stream.flush()
    except OSError as error:
        return error
    except ValueError:  # it was closed
        return None
    return None


def trouble(failure: OSError) -> errors.LocalTrouble:
    """What it means that standard output cannot be written: some of what was to be told is lost."""
    full = failure.errno in NO_SPACE
    kind = errors.DiskFull if full else errors.LocalTrouble
    return kind(
        f"standard output cannot be written: {failure.strerror or failure}",
        remedy="free some space there" if full else "send it elsewhere",
    )


def abandon(stream: TextIO) -> None:
    """Let what is left in the stream, and what follows, go nowhere.

    Otherwise the interpreter tries once more when it ends, complains, and makes of any exit code
    one of its own (120).
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):
        return
    finally:
        os.close(nowhere)
    with contextlib.suppress(OSError, ValueError):
        stream.flush()
