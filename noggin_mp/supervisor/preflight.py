"""Run a check in a process of its own: whatever it opens, or starts in libraries, goes with it."""

import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from noggin_mp.domain import errors
from noggin_mp.supervisor import children

Findings = dict[str, Any]


def run(check: Callable[[], Findings], *, within_s: float | None = None) -> Findings:
    """What `check` found, JSON data; it ran in a short-lived child, killed after `within_s`.

    Raises: what `check` raised of the tree of errors; NogginError for anything else.
    """
    read_fd, write_fd = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        _answer(check, write_fd)
    os.close(write_fd)
    try:
        with open(read_fd, "rb") as answers:  # noqa: PTH123 - a descriptor has no path
            if within_s is not None and not select.select([answers], [], [], within_s)[0]:
                os.kill(pid, signal.SIGKILL)
            answer = answers.read()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise
    finally:
        _, status = os.waitpid(pid, 0)
    if not answer:
        raise errors.NogginError(
            f"the check before the start died ({os.waitstatus_to_exitcode(status)})",
            remedy="run it again with -v and report the traceback",
        )
    found: Findings = json.loads(answer)
    if "error" in found:
        raise errors.unpacked(found)
    return found


def _answer(check: Callable[[], Findings], fd: int) -> NoReturn:
    """The child: one line of JSON, then the end, without the parent's clean-up."""
    code = 0
    try:
        answer = check()
    except errors.NogginError as error:
        answer = dict(errors.packed(error))
    except Exception as error:
        said = f"this is a bug in noggin-mp: {type(error).__name__}: {error}"
        answer = {"error": "", "message": said[:500], "remedy": ""}
    except BaseException:
        children.leave(1)
    os.write(fd, json.dumps(answer).encode())
    children.leave(code)
