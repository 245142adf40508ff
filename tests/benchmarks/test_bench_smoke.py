"""The benchmarks' harness works, in the smallest form; how fast anything was is not asked."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import report
from tests.benchmarks.breaker import charges, outage, peers, promises, stage, traffic

PLAN = outage.Plan(workers=2, warm_s=1, outage_s=2.5, open_s=1, ramp_s=0.5, after_s=0.5)
NOBODY = charges.Charges(
    rate_limited=0, refused=0, disk=0, sent_in_pause=0, pause_last_ms=0.0, sent_after_stop=0
)


@pytest.mark.slow
def test_breaker_suite_reports_an_outage_of_the_real_fleet_when_all_is_small(
    tmp_path: Path,
) -> None:
    with stage.stage(tips=400) as made:
        seen = _one_by_one(made)
        environment = report.environment(made.dsn)
    assert seen.leaked >= 1
    assert traffic.peak(seen.probes) == 1
    assert {one.worker for one in seen.probes} <= {"bench/0", "bench/1"}
    assert [one.kind for one in seen.of_api()][:2] == ["trip", "half_open"]
    assert seen.close_ns > seen.up_ns
    assert seen.charged == []

    found = promises.Findings(
        outages=[seen], stops=[], deaf=[], lost=[], blows=[], charges=NOBODY, peers=[]
    )
    made_up = report.Report(
        suite="breaker",
        title="small",
        promises=promises.of(found),
        tables=[promises.beside(found)],
        environment=environment,
    )
    report.write(made_up, tmp_path)
    told = json.loads((tmp_path / "breaker.json").read_text())
    assert {one["row"] for one in told["promises"]} == {"B2", "B3", "B4"}
    assert "| noggin_mp | 2 |" in (tmp_path / "breaker.md").read_text()


def _one_by_one(made: stage.Stage) -> outage.Outage:
    """An outage, the first of up to three with one probe at a time.

    Who was let through before the trip and stood still for a second arrives among the probes.
    """
    for _ in range(3):
        seen = outage.real(made, PLAN)
        if traffic.peak(seen.probes) == 1:
            break
    return seen


@pytest.mark.slow
def test_peers_meet_the_same_outage_when_their_libraries_are_there(tmp_path: Path) -> None:
    for library in ("pybreaker", "redis"):
        pytest.importorskip(library)
    for look in range(3):  # what leaks does so in a second, in which a machine may stand still
        found = peers.measured(tmp_path / str(look), PLAN, sizes=[2])
        measured = [one for one in found if not one.skipped]
        if all(one.leaked for one in measured):
            break
    assert {one.kind for one in measured} >= {"process", "none"}
    assert all(one.wasted >= one.leaked > 0 for one in measured)


def test_traffic_counts_what_overlaps_and_what_comes_together() -> None:
    def request(start: int, end: int) -> traffic.Request:
        return traffic.Request(
            start_ns=start, end_ns=end, role="api", worker="w", status=200, fault="", aborted=False
        )

    some = [request(0, 10), request(10, 20), request(12, 13), request(40, 50)]
    assert (traffic.peak(some), traffic.burst(some, window_ns=20)) == (2, 3)
    assert traffic.latest_ms(some, 0) == 40 / 1e6
    assert len(traffic.between(some, 10, 40)) == 2
