"""Benches for jobs: an API that a test decides, a real database, a worker's collaborators."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import fault_server, job_bench

MakeBench = Callable[..., job_bench.Bench]


@pytest.fixture
def api() -> Iterator[job_bench.Api]:
    """A server that knows nothing yet."""
    with fault_server.running() as server:
        yield job_bench.Api(server)


@pytest.fixture
def make_bench(migrated: str, tmp_path: Path, api: job_bench.Api) -> Iterator[MakeBench]:
    """Makes a bench with options of its own."""
    made: list[job_bench.Bench] = []

    def make(**options: Any) -> job_bench.Bench:
        made.append(job_bench.Bench(migrated, tmp_path, api, **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> job_bench.Bench:
    """A bench with the ordinary options."""
    return make_bench()
