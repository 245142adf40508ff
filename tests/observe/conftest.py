"""A folder of metrics files."""

from pathlib import Path

import pytest

from noggin_mp.observe import metrics


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")  # Metrics sets it; put back afterwards
    metrics.prepare(tmp_path / "metrics")
    return tmp_path / "metrics"
