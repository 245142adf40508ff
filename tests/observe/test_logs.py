"""Logs: their shape, one write per record, and no secret in them."""

import json
import logging
import os
import pty
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noggin_mp.observe import logs
from tests.support import forked

Read = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logs._fixed, logs._secrets = {}, frozenset()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(False)
    logs.configure(level="warning", format="json")


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Read]:
    file = tmp_path / "log"
    with file.open("ab") as stream:
        logs.configure(level="info", format="json", stream=stream)
        yield lambda: file.read_text(encoding="utf-8").splitlines()


def test_log_writes_one_json_line_when_an_event_happens(lines: Read) -> None:
    logs.bind(worker=3)
    logs.get("job").info("tip_settled", tip="abc", outcome="complete", files=4)

    [line] = lines()
    record = json.loads(line)
    assert list(record)[:3] == ["ts", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("ts"))
    assert record == {
        "level": "info", "event": "tip_settled", "logger": "job", "worker": 3, "tip": "abc",
        "outcome": "complete", "files": 4,
    }  # fmt: skip


def test_log_leaves_out_what_is_below_its_level_when_configured(lines: Read) -> None:
    log = logs.get("job")
    log.debug("stepped")
    log.warning("slowed")

    assert [json.loads(line)["event"] for line in lines()] == ["slowed"]


def test_logger_follows_when_the_level_changes_later(lines: Read, tmp_path: Path) -> None:
    log = logs.get("job")
    log.info("before")
    with (tmp_path / "second").open("ab") as stream:
        logs.configure(level="debug", format="json", stream=stream)
        log.debug("after")

    assert "after" in (tmp_path / "second").read_text(encoding="utf-8")
    assert len(lines()) == 1


SECRET = "tok-12345"


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"token": "x1"}, {"token": "***"}),
        ({"authorization": "Bearer y"}, {"authorization": "***"}),
        ({"password": "x"}, {"password": "***"}),
        ({"token": 17}, {"token": 17}),  # a lease token is a number, and no secret
        ({"dsn": "postgresql://u:p@ss@h/d"}, {"dsn": "postgresql://u:***@h/d"}),
        ({"error": ValueError(f"no {SECRET}!")}, {"error": "no ***!"}),
        ({"note": f"a{SECRET}b"}, {"note": "a***b"}),
        ({"deep": {"api_token": "x"}}, {"deep": {"api_token": "***"}}),
        ({"deep": {"l": [1, (SECRET,)]}}, {"deep": {"l": [1, ["***"]]}}),
        ({"headers": {"Authorization": "x"}}, {"headers": {"Authorization": "***"}}),
        ({"path": Path("/a/b"), "none": None}, {"path": "/a/b", "none": None}),
    ],
)  # fmt: skip
def test_log_masks_secrets_when_they_occur_in_fields(
    lines: Read, fields: dict[str, object], shown: dict[str, object]
) -> None:
    logs.remember_secret(SECRET)
    logs.get("job").info("happened", **fields)

    record = json.loads(lines()[0])
    assert {name: record[name] for name in shown} == shown


def test_log_masks_secrets_when_they_occur_in_event_and_traceback(lines: Read) -> None:
    logs.remember_secret(SECRET)
    try:
        raise RuntimeError(f"refused {SECRET}")
    except RuntimeError:
        logs.get("job").exception(f"crashed with {SECRET}")

    [line] = lines()
    assert SECRET not in line
    record = json.loads(line)
    assert record["level"] == "error"
    assert "RuntimeError: refused ***" in record["exception"]


def test_log_takes_libraries_in_when_they_warn(lines: Read) -> None:
    logging.getLogger("urllib3.pool").info("chatter")
    logging.getLogger("urllib3.pool").warning("retrying %s", "http://u:p@h/")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # the runner put its own hook in place of ours
        logging.captureWarnings(True)
        warnings.warn("open to all", stacklevel=1)

    records = [json.loads(line) for line in lines()]
    assert [(one["library"], one["level"]) for one in records] == [
        ("urllib3.pool", "warning"),
        ("py.warnings", "warning"),
    ]
    assert records[0]["message"] == "retrying http://u:***@h/"


def test_log_keeps_lines_whole_when_processes_and_threads_write_at_once(
    lines: Read, tmp_path: Path
) -> None:
    def work(who: str) -> None:
        for number in range(200):
            logs.get("job").info("done", who=who, number=number, padding="x" * 300)

    def child(name: str) -> None:
        threads = [threading.Thread(target=work, args=(f"{name}{at}",)) for at in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    forked.each("abc", child)

    records = [json.loads(line) for line in lines()]
    assert len({(one["who"], one["number"]) for one in records}) == len(records) == 3 * 3 * 200


def test_log_is_coloured_key_value_when_stderr_is_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = pty.openpty()
    logs.configure(stream=slave)
    logs.get("job").info("tip_settled", tip="abc")
    coloured = _line(master)
    monkeypatch.setenv("NO_COLOR", "1")
    logs.configure(stream=slave)
    logs.get("job").info("tip_settled", tip="abc")
    plain = _line(master)
    os.close(master)
    os.close(slave)

    assert "\x1b[" in coloured
    assert "\x1b[" not in plain
    assert "tip_settled" in plain
    assert "tip=abc" in plain


def _line(master: int) -> str:
    """The next line on a terminal, which hands it over in pieces."""
    text = b""
    while not text.endswith(b"\n"):
        text += os.read(master, 4096)
    return text.decode()


def test_log_does_not_stop_the_work_when_nobody_reads_it() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    logs.configure(format="json", stream=writer)
    logs.get("job").info("tip_settled")
    os.close(writer)
    logs.get("job").info("tip_settled")


def test_bind_fixes_fields_for_all_threads_when_called_once(lines: Read) -> None:
    logs.bind(worker=1, host="h")
    logs.unbind("host")
    thread = threading.Thread(target=lambda: logs.get("x").info("ran"))
    thread.start()
    thread.join()

    record = json.loads(lines()[0])
    assert record["worker"] == 1
    assert "host" not in record


def test_logs_do_not_pull_in_rich_when_imported() -> None:
    code = "import sys; from noggin_mp.observe import logs; logs.configure(format='console');"
    code += "logs.get('x').warning('seen'); sys.exit('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert b"seen" in done.stderr
    assert done.stdout == b""
