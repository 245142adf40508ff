"""Work done by several forked processes at once."""

import os
from collections.abc import Callable, Iterable


def each(names: Iterable[str], work: Callable[[str], None]) -> None:
    """Do `work` for each of `names` in a process of its own, all at once, and wait for them.

    Raises: AssertionError when one of them failed.
    """
    pids = []
    for name in names:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                work(name)
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert not any(codes), codes
