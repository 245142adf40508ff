"""What tests of the breaker's functions share."""

from collections.abc import Iterator

import pytest

from tests.support import stores


@pytest.fixture
def worker(migrated: str) -> Iterator[stores.Make]:
    """What makes a worker's store, by the worker's name."""
    with stores.workers(migrated) as make:
        yield make
