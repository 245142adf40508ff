"""What fleets leave in shared memory is removed after each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.supervisor import holdings


@pytest.fixture(autouse=True)
def clean_memory(tmp_path: Path) -> Iterator[None]:
    """Removes the metrics folders of every state folder below tmp_path."""
    yield
    for state in [*tmp_path.glob("state"), *tmp_path.glob("*/state")]:
        shutil.rmtree(holdings.metrics_folder(state), ignore_errors=True)
