"""The short form of `make observe`: a fleet, a real Prometheus, three phases, every expression."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.observability import coverage, run, servers, stage, truth
from tests.support import parts


@pytest.mark.slow
@parts.needs(*servers.PROGRAMS)
def test_dashboards_and_alerts_tell_the_truth_about_a_fleet(tmp_path: Path, migrated: str) -> None:
    with stage.ready(tmp_path, migrated, tips=400, chunk=10, latency_ms=20) as made:
        run.play(made, run.SHORT, _exact, looks=3)
        end = time.time()
        empty = [one.name for one in coverage.answers(made, end) if one.empty]
        assert empty == []
        _promtool(made)


def _exact(made: stage.Stage, phase: run.Phase) -> None:
    wrong = [one for one in truth.pairs(made) if not one.equal]
    assert wrong == [], phase.name


def _promtool(made: stage.Stage) -> None:
    """What Prometheus's own checker says of a live scrape."""
    done = subprocess.run(
        [str(parts.find("promtool")), "check", "metrics"],
        input=made.pages.get("/metrics")[1], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
