"""Monitors as processes of their own; what they leave in shared memory is removed."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from noggin_mp.supervisor import holdings
from tests.support import fleet, scrape, wait

Alone = Callable[
    ..., "contextlib.AbstractContextManager[tuple[subprocess.Popen[bytes], scrape.Pages]]"
]


@pytest.fixture(autouse=True)
def clean_memory(tmp_path: Path) -> Iterator[None]:
    """Removes the metrics folders of every state folder below tmp_path."""
    yield
    for state in [*tmp_path.glob("state"), *tmp_path.glob("*/state")]:
        shutil.rmtree(holdings.metrics_folder(state), ignore_errors=True)


def nowhere() -> fleet.Simulator:
    """An API that nobody asks."""
    return SimpleNamespace(  # type: ignore[return-value]
        base_url="http://127.0.0.1:9", token="made-up", namespace="n"
    )


@pytest.fixture
def alone(tmp_path: Path, migrated: str) -> Alone:
    """Starts `noggin-mp monitor` as a host of its own; gives the process and its pages."""

    @contextlib.contextmanager
    def start(host: str = "alone") -> Iterator[tuple["subprocess.Popen[bytes]", scrape.Pages]]:
        folder = tmp_path / host
        folder.mkdir()
        pages = scrape.Pages(f"127.0.0.1:{_free_port()}")
        site = fleet.Site(
            folder, migrated, nowhere(), fleet={"host": host}, monitor={"bind": pages.address}
        )
        process = site.start("monitor")
        try:
            wait.until(lambda: pages.status("/readyz") == 200, timeout_s=20, what=site.log)
            yield process, pages
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            process.wait(20)

    return start


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
