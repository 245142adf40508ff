"""The scrape suite works, in the smallest form; how fast anything was is not asked."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import report, scrape


def test_scrape_suite_reports_what_a_scrape_of_several_workers_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "WORKERS", 3)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    found = scrape.run(report.Options(quick=True, out=tmp_path))
    report.write(found, tmp_path)
    told = json.loads((tmp_path / "scrape.json").read_text())
    assert [one["row"] for one in told["promises"]] == ["O1"] * 3
    assert 100 <= told["details"]["most_series_of_a_worker"] <= 300
    assert told["details"]["series"] > 3 * told["details"]["most_series_of_a_worker"]
    assert "postgres" not in told["environment"]
    assert "# Benchmarks: the cost of a scrape" in (tmp_path / "scrape.md").read_text()
