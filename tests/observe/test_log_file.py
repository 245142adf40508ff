"""The log file: rotation by size and age, several writers, and disks that fail."""

import json
import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from noggin_mp.observe import appender, log_file, logs
from tests.support import forked

DAY_S = 86_400


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logs._fixed, logs._secrets = {}, frozenset()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)
    logs.configure(level="warning", format="json")


def aside(path: Path) -> list[Path]:
    """The files that were put aside, the oldest first."""
    return sorted(file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}."))


def test_file_is_put_aside_when_a_record_would_carry_it_over_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    made = log_file.LogFile(path, max_bytes=100, keep=3)
    for number in range(10):
        made.write(f"{number:039d}\n".encode())
    assert path.read_text() == f"{8:039d}\n{9:039d}\n"
    assert [len(file.read_bytes()) for file in aside(path)] == [80, 80, 80]
    assert aside(path)[0].read_text().startswith(f"{2:039d}")  # the oldest was dropped
    assert all(re.fullmatch(r"a\.log\.\d{8}-\d{6}(\.\d{3})?", file.name) for file in aside(path))


def test_a_record_larger_than_the_limit_has_a_file_to_itself(tmp_path: Path) -> None:
    made = log_file.LogFile(tmp_path / "a.log", max_bytes=10)
    for _ in range(2):
        made.write(b"x" * 50 + b"\n")
    assert [len(file.read_bytes()) for file in aside(tmp_path / "a.log")] == [51]


@pytest.mark.parametrize(
    ("last", "now", "zone", "expected"),
    [
        ("2026-03-01T10:00", "2026-03-01T23:59", "UTC", 0),
        ("2026-03-01T23:59", "2026-03-02T00:00", "UTC", 1),
        ("2026-03-01T23:59", "2026-03-02T00:01", "Australia/Perth", 0),
        ("2026-03-01T15:59", "2026-03-01T16:00", "Australia/Perth", 1),  # midnight in Perth
        ("2026-03-02T10:00", "2026-03-01T10:00", "UTC", 0),  # a clock that was set back
    ],
)
def test_file_is_put_aside_when_a_day_has_ended_since_the_last_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str, now: str, zone: str, expected: int
) -> None:
    path = tmp_path / "a.log"
    path.write_text("before\n")
    then = datetime.fromisoformat(last).replace(tzinfo=UTC).timestamp()
    os.utime(path, (then, then))
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    monkeypatch.setattr(log_file.time, "time", lambda: moment)
    made = log_file.LogFile(path, max_age_s=DAY_S, zone=ZoneInfo(zone))
    made.write(b"after\n")
    assert len(aside(path)) == expected
    assert path.read_text() == ("after\n" if expected else "before\nafter\n")


def test_files_of_others_are_not_pruned(tmp_path: Path) -> None:
    for name in ("a.log.gz", "a.log.1", "a.log.20260101-000000.gz", "b.log.20260101-000000"):
        (tmp_path / name).touch()
    made = log_file.LogFile(tmp_path / "a.log", max_bytes=10, keep=1)
    for _ in range(4):
        made.write(b"12345678\n")
    assert len(list(tmp_path.iterdir())) == 4 + 1 + 1


def test_no_line_is_lost_or_torn_when_processes_write_and_rotate_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    inherited = log_file.LogFile(path, max_bytes=8_000, keep=1000)
    inherited.write(b'{"who": "parent", "number": 0}\n')

    def child(name: str) -> None:
        logs.configure(format="json", stream=os.open(os.devnull, os.O_WRONLY), file=path,
                       max_bytes=8_000, keep=1000)  # fmt: skip
        log = logs.get("job")
        for number in range(300):
            log.info("done", who=name, number=number, padding="x" * 100)

    forked.each("abc", child)
    files = [*aside(path), path]
    records = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    found = [(one["who"], one["number"]) for one in records]
    assert len(found) == len(set(found)) == 3 * 300 + 1
    assert len(files) >= 3  # while one that renames is held up, the others write on
    assert all(file.stat().st_size > 7_500 for file in aside(path))  # none before it was full


def test_records_go_to_the_new_file_when_logrotate_renames_it(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "a.log"
    made = appender.Appender(path)
    made.write(b"one\n")
    path.rename(tmp_path / "logs" / "a.log.1")
    made.write(b"two\n")
    assert ((tmp_path / "logs" / "a.log.1").read_text(), path.read_text()) == ("one\n", "two\n")
    path.rename(tmp_path / "logs" / "a.log.2")
    path.write_bytes(b"of another\n")
    made.write(b"and ours\n")
    assert path.read_text() == "of another\nand ours\n"
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    made.write(b"three\n")
    assert path.read_text() == "three\n"


def test_reopen_opens_what_is_at_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    logs.reopen()  # without a file it is nothing
    logs.configure(format="json", stream=os.open(os.devnull, os.O_WRONLY), file=path)
    logs.get("x").info("first")
    held = path.open()
    path.unlink()
    logs.reopen()
    logs.get("x").info("second")
    assert "first" in held.read()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["second"]


def test_header_stands_once_when_several_begin_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    one, two = (appender.Appender(path, header=b"HEAD\n") for _ in range(2))
    one.write(b"1\n")
    two.write(b"2\n")
    one.write(b"3\n")
    assert path.read_text() == "HEAD\n1\n2\n3\n"


def test_file_gets_json_and_no_secret_when_the_terminal_gets_console(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    logs.remember_secret("tok-12345")
    logs.configure(format="console", stream=writer, color=False, file=tmp_path / "a.log")
    logs.bind(worker=3)
    logs.get("job").warning("slowed", detail="with tok-12345 in it")
    shown = os.read(reader, 4096).decode()
    os.close(reader)
    os.close(writer)
    record = json.loads((tmp_path / "a.log").read_text())
    assert "slowed" in shown
    assert "tok-12345" not in shown
    del record["ts"]
    assert record == {
        "level": "warning", "event": "slowed", "logger": "job", "worker": 3,
        "detail": "with *** in it",
    }  # fmt: skip


def test_work_goes_on_and_it_is_told_once_when_the_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    reader, writer = os.pipe()
    blocked = tmp_path / "folder"
    blocked.write_text("a file where the folder should be")
    logs.configure(format="json", stream=writer, file=blocked / "a.log")
    for number in range(3):
        logs.get("job").info("done", number=number)
        now[0] += 3
    blocked.unlink()
    now[0] += 5
    logs.get("job").info("done", number=3)
    told = [json.loads(line) for line in os.read(reader, 8192).decode().splitlines()]
    os.close(reader)
    os.close(writer)
    events = [one["event"] for one in told]
    assert sorted(events) == ["done"] * 4 + ["log_file_back", "log_file_failed"]
    [back] = [one for one in told if one["event"] == "log_file_back"]
    assert back["records_missing"] == 3
    assert json.loads((blocked / "a.log").read_text())["number"] == 3


def test_a_line_that_a_full_disk_cut_off_is_ended_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = appender.Appender(tmp_path / "a.log")
    made.write(b"one\n")
    write, room = os.write, [3]

    def full(fd: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        count = write(fd, data[: room[0]])
        room[0] -= count
        return count

    monkeypatch.setattr(appender.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        made.write(b"two\n")
    room[0] = 100
    made.write(b"three\n")
    assert (tmp_path / "a.log").read_text() == "one\ntwo\nthree\n"
