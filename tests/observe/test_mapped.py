"""Metrics on a disk that is full: nobody dies of it, and what was counted before stays."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

WORKER = """
import sys
from pathlib import Path
from noggin_mp.observe import metrics
from tests.support.series import worker
folder = Path(sys.argv[1])
if sys.argv[2] == "later":
    worker(folder)  # whose files have their space
with (folder.parent / "all").open("wb", buffering=0) as file:
    try:
        while file.write(b"-" * 4096):
            pass
    except OSError:
        pass
made = worker(folder)
for _ in range(400):
    made.lease_renewed()
for number in range(400):
    made.breaker_open(f"scope-{number}-{'x' * 40}")
print(metrics.collect(folder).decode())
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a tmpfs")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("when", ["first", "later"])
def test_process_goes_on_when_its_metrics_have_no_space(small_disk: Path, when: str) -> None:
    folder = small_disk / "metrics"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder), when],
        capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip

    assert done.returncode == 0, (done.returncode, done.stderr)
    assert done.stderr.count('"event": "metrics_not_kept"') == 1, done.stderr
    assert "No space left on device" in done.stderr
    counted = 'noggin_lease_renewals_total{worker="0"} 400.0' in done.stdout
    assert counted is (when == "later")
