"""The session log: its columns, whole lines from several workers, and no fuss when it fails."""

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from noggin_mp.observe import session_log
from tests.support import forked

HEADER = "TIMESTAMP\tTIP\tINSPECTION_ID\tATTACHMENTS_COUNT\tATTACHMENT_FILENAMES"


def test_file_is_named_after_the_start_of_the_run() -> None:
    began = datetime(2026, 3, 1, 8, 5, 9, tzinfo=UTC)
    assert session_log.file_name(began) == "session_20260301_080509.log"


def test_line_has_the_columns_operators_know(tmp_path: Path) -> None:
    made = session_log.SessionLog(tmp_path / "log" / "s.log", zone=ZoneInfo("Australia/Perth"))
    made.completed("ab12", "LCD - 045289", ["one.jpg", "two.jpg"])
    made.completed("cd34", "odd\tid\nwith breaks", [])
    assert not (tmp_path / "log").exists()
    made.flush()
    made.flush()
    header, first, second = (tmp_path / "log" / "s.log").read_text().splitlines()
    assert header == HEADER
    stamp, *cells = first.split("\t")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", stamp)
    shown = datetime.fromisoformat(stamp).replace(tzinfo=ZoneInfo("Australia/Perth"))
    assert abs((datetime.now(UTC) - shown).total_seconds()) < 120
    assert cells == ["ab12", "LCD - 045289", "2", "one.jpg; two.jpg"]
    assert second.split("\t")[1:] == ["cd34", "odd id with breaks", "0", ""]


def test_lines_stay_whole_when_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.log"

    def child(name: str) -> None:
        made = session_log.SessionLog(path, zone=UTC)
        for number in range(100):
            made.completed(f"{name}{number}", "x" * 500, ["f.jpg"] * 30)
            if number % 3 == 0:
                made.flush()
        made.flush()

    forked.each("abc", child)
    header, *lines = path.read_text().splitlines()
    assert header == HEADER
    assert {len(line.split("\t")) for line in lines} == {5}
    tips = {line.split("\t")[1] for line in lines}
    assert len(tips) == len(lines) == 300


def test_work_goes_on_when_the_folder_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("no folder")
    now = [0.0]
    made = session_log.SessionLog(tmp_path / "log" / "s.log", zone=UTC, clock=lambda: now[0])
    made.completed("lost", "x", [])
    made.flush()
    (tmp_path / "log").unlink()
    made.completed("too soon", "x", [])
    made.flush()
    now[0] = 61
    made.completed("kept", "x", [])
    made.flush()
    lines = (tmp_path / "log" / "s.log").read_text().splitlines()
    assert [line.split("\t")[1] for line in lines] == ["TIP", "kept"]
