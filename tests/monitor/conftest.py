"""Monitors as processes of their own; what they leave in shared memory is removed."""

import contextlib
import shutil
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
        with _reserved() as address:
            pages = scrape.Pages(address)
            site = fleet.Site(
                folder, migrated, nowhere(), fleet={"host": host}, monitor={"bind": address}
            )
            process = site.start("monitor")
            try:
                wait.until(lambda: pages.status("/readyz") == 200, timeout_s=60, what="readiness")
                yield process, pages
            finally:
                process.terminate()
                process.wait(60)

    return start


@contextlib.contextmanager
def _reserved() -> Iterator[str]:
    """An address that nobody else is given: held, but not listened on, which leaves it to a server
    that may use addresses again."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"
