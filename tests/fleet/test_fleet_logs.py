"""The logs of a real fleet: one file for all processes, rotated, renamed by others, complete."""

import contextlib
import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support import fleet, wait

TIPS = 20
LEFT = "SELECT count(*) FROM noggin_data WHERE processing_status NOT IN ('complete', 'not_found')"


def test_log_file_has_every_record_once_when_it_is_rotated_under_a_fleet(
    tmp_path: Path, migrated: str
) -> None:
    log = {"file": "noggin-mp.log", "max_bytes": 3000, "keep": 1000}
    with fleet.simulator(tmp_path, tips=TIPS, options=["--latency-ms", "5"]) as api:
        site = fleet.Site(tmp_path, migrated, api, log=log)
        with fleet.running(site, "--workers", "2", "--threads", "3") as supervisor:
            path = site.folder / "log" / "noggin-mp.log"
            wait.until(lambda: len(fleet.workers(site)) == 2 and path.exists())
            site.ok("import", str(tmp_path / "export.csv"))
            wait.until(lambda: site.value(LEFT) == 0, timeout_s=120)
            wait.until(lambda: _renamed(path), what="a moment in which nobody else renames it")
            supervisor.send_signal(signal.SIGUSR1)
            supervisor.send_signal(signal.SIGUSR2)
            wait.until(lambda: "state_dumped" in _written(path), what="the dump")
    files = [*(site.folder / "log").glob("noggin-mp.log*"), path.with_name("mine")]
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    _complete(site, records)
    assert len(files) > 3
    told = [json.loads(line) for line in site.log.splitlines() if line.startswith("{")]
    seen = [json.dumps(one, sort_keys=True) for one in records]
    assert Counter(json.dumps(one, sort_keys=True) for one in told) >= Counter(seen)
    assert api.token not in json.dumps(records)


def _renamed(path: Path) -> bool:
    """Take the file away, as logrotate would."""
    with contextlib.suppress(FileNotFoundError):
        path.rename(path.with_name("mine"))
    return path.with_name("mine").exists()


def _written(path: Path) -> str:
    """What is in the log file and in those rotated away; some may go on being renamed meanwhile."""
    texts = []
    for file in path.parent.glob(f"{path.name}*"):
        with contextlib.suppress(FileNotFoundError):
            texts.append(file.read_text())
    return "".join(texts)


def _complete(site: fleet.Site, records: list[dict[str, Any]]) -> None:
    """Every TIP has one closing line, every process said something."""
    settled = Counter(one["tip"] for one in records if one["event"] == "tip_settled")
    with site.connect() as connection:
        tips = {row[0] for row in connection.execute("SELECT tip FROM noggin_data").fetchall()}
    assert set(settled) == tips
    assert set(settled.values()) == {1}
    assert {"0", "1", "monitor", None} <= {one.get("worker") for one in records}
    assert {"ts", "level", "event"} <= set(records[0])


def test_work_goes_on_when_the_log_folder_cannot_be_written(tmp_path: Path, migrated: str) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    with fleet.simulator(tmp_path, tips=5) as api:
        site = fleet.Site(tmp_path, migrated, api, log={"file": "noggin-mp.log"})
        site.ok("import", str(tmp_path / "export.csv"))
        done = site.run("run", "--until-drained", "--workers", "1", "--threads", "2")
    assert done.returncode in (0, 1), done.stderr[-2000:]  # 1: a photo that is missing for good
    assert site.value(LEFT) == 0 or done.returncode == 1
    assert done.stderr.count('"event": "log_file_failed"') >= 1
    assert "session_log_failed" in done.stderr
    assert (tmp_path / "log").is_file()
