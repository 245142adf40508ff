"""Many open descriptors, as a worker of hundreds of threads has them."""

import contextlib
import os
import resource
from collections.abc import Iterator

import pytest

HELD = 1100
"""More than select(2) knows."""


@contextlib.contextmanager
def held() -> Iterator[None]:
    """What is opened meanwhile gets a number above 1023; skips where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * HELD:
        pytest.skip(f"this machine allows no more than {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * HELD, hard))
    kept = [os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(HELD)]
    try:
        yield
    finally:
        for fd in kept:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
