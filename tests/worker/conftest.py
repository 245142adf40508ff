"""Benches for jobs: an API that a test decides, a real database, a worker's collaborators."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.gateway import http
from noggin_mp.worker import standing
from tests.support import fault_server, gateway, job_bench

MakeBench = Callable[..., job_bench.Bench]


@pytest.fixture
def api() -> Iterator[job_bench.Api]:
    """A server that knows nothing yet."""
    with fault_server.running() as server:
        yield job_bench.Api(server)


@pytest.fixture
def sighted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate trusts its last beat for long: a test that beats by hand may be slow between two."""
    monkeypatch.setattr(standing, "BLIND_AFTER_S", 3600.0)


@pytest.fixture
def make_bench(
    migrated: str,
    tmp_path: Path,
    api: job_bench.Api,
    sighted: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MakeBench]:
    """Makes a bench with options of its own, and with patience: the API is a thread beside it."""
    patient = http.Timeouts(
        connect_s=60.0, read_s=60.0, deadline_s=120.0, min_rate_bytes_s=1, rate_window_s=60.0
    )
    monkeypatch.setattr(gateway, "SHORT", patient)
    made: list[job_bench.Bench] = []

    def make(**options: Any) -> job_bench.Bench:
        made.append(job_bench.Bench(migrated, tmp_path, api, **({"patience_s": 60.0} | options)))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def bench(make_bench: MakeBench) -> job_bench.Bench:
    """A bench with the ordinary options."""
    return make_bench()
