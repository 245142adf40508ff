"""Reloads of fleets of tiny children: told in place, rolled one by one, or taken back."""

import json
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.supervisor.conftest import FLEET
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Host, Start


def settings(folder: Path, *, output: str = "output", **fleet: object) -> dict[str, Any]:
    """The settings of `start`, with another output folder or other numbers of the fleet."""
    paths = {name: str(folder / name) for name in ("state", "input", "log")}
    return {
        "paths": paths | {"output": str(folder / output)},
        "fleet": FLEET | fleet,
        "monitor": {"bind": "127.0.0.1:0"},
    }


def reload(host: "Host") -> dict[str, Any]:
    """Ask for a reload, and wait for its end: what supervisor.json says of it."""
    number = host.said()["reload"]["number"]
    host.signal(signal.SIGHUP)
    return until(lambda: over(host, number + 1), timeout_s=60, what="the end of the reload")


def over(host: "Host", number: int) -> dict[str, Any]:
    assert host.process.poll() is None, host.stderr()
    last: dict[str, Any] = host.said()["reload"]["last"] or {}
    return last if last.get("number", 0) >= number else {}


def test_live_settings_reach_every_child_when_only_they_change(
    start: "Start", tmp_path: Path
) -> None:
    host = start(reloads=[settings(tmp_path, threads=5)])
    workers = host.until_running()
    monitor = host.said()["monitor"]["pid"]
    last = reload(host)

    assert (last["outcome"], last["changed"]) == ("applied", ["fleet.threads"])
    assert {note["pid"] for note in host.notes("settings", threads=5)} == {
        *workers.values(), monitor
    }  # fmt: skip
    assert host.workers() == workers
    assert host.said()["config_version"] == 2


def test_workers_come_and_go_when_their_number_changes(start: "Start", tmp_path: Path) -> None:
    host = start(reloads=[settings(tmp_path, workers=4), settings(tmp_path, workers=1)])
    first = host.until_running()
    assert reload(host)["outcome"] == "applied"
    four = host.until_running(4)
    assert reload(host)["outcome"] == "applied"
    one = host.until_running(1)

    assert {0: first[0], 1: first[1]}.items() <= four.items()
    assert one == {0: first[0]}


def test_one_worker_after_another_is_replaced_when_a_rolled_key_changes(
    start: "Start", tmp_path: Path
) -> None:
    fresh = settings(tmp_path, output="elsewhere", workers=3, threads=7)
    host = start(reloads=[fresh])
    before = host.until_running()
    assert reload(host)["outcome"] == "applied"
    after = host.until_running(3)

    assert not set(before.values()) & set(after.values())
    monitor = host.said()["monitor"]["pid"]
    assert {note["pid"] for note in host.notes("started", threads=7)} == {
        *after.values(), monitor
    }  # fmt: skip
    events = [(note["event"], note.get("slot"), note["kind"]) for note in host.notes()
              if note["event"] in ("started", "ended")]  # fmt: skip
    ends = [event for event in events if event[0] == "ended"]
    assert ends == [("ended", 0, "worker"), ("ended", 1, "worker"), ("ended", 0, "monitor")]
    assert events.index(("ended", 1, "worker")) > _last(events, ("started", 0, "worker"))
    assert events[-1] == ("started", 0, "monitor")


def _last(events: list[Any], event: Any) -> int:
    return len(events) - 1 - events[::-1].index(event)


def test_old_settings_come_back_when_a_new_worker_cannot_boot(
    start: "Start", tmp_path: Path
) -> None:
    for_a_fatal = settings(tmp_path, output="a", threads=13)
    for_a_crash = settings(tmp_path, output="b", threads=15)
    host = start(worker="choosy", reloads=[for_a_fatal, for_a_crash])
    before = host.until_running()
    taken_back(host, before, "13 is no good number")
    taken_back(host, before, "worker 0 ended before it was at work (signal 9)")
    assert host.stderr().count('"config_rejected"') == 2


def test_old_settings_come_back_when_a_new_worker_is_not_at_work_in_time(
    start: "Start", tmp_path: Path
) -> None:
    for_a_wait = settings(tmp_path, output="c", threads=14)
    host = start(worker="choosy", reloads=[for_a_wait, for_a_wait], rules={"ready_s": 1.0})
    before = host.until_running()
    taken_back(host, before, "worker 0 was not at work within 1 s")
    taken_back(host, before, "worker 0 was not at work within 1 s")


def taken_back(host: "Host", before: dict[int, int], reason: str) -> None:
    """Reload; worker 0 fails with the new settings, and nothing is left of them."""
    last = reload(host)

    assert last["outcome"] == "rolled_back"
    assert reason in last["error"]
    assert last["error"].startswith("rolled back: worker 0 ")
    what = "; what had changed: noggin.yaml:7:12: paths.output; correct it and reload again"
    assert last["error"].endswith(what)
    assert host.said()["config_error"] == last["error"]
    after = host.until_running()
    assert after[1] == before[1]  # it never had the new settings
    threads = {note["pid"]: note["threads"] for note in host.notes("started")}
    assert threads[after[0]] == 8
    assert host.said()["state"] == "running"


def test_settings_are_rolled_to_who_does_not_take_them_over(start: "Start", tmp_path: Path) -> None:
    host = start(worker="deaf", reloads=[settings(tmp_path, threads=3)],
                 rules={"answer_s": 0.5})  # fmt: skip
    before = host.until_running()
    last = reload(host)

    assert last["outcome"] == "applied"
    assert not set(before.values()) & set(host.until_running().values())
    assert len(host.notes("started", threads=3, kind="worker")) == 2
    [told] = host.logged("settings_not_taken_over")
    silent = set(told["children"])  # on a busy machine the monitor, too, may answer too late
    assert silent >= {"worker 0", "worker 1"}
    assert len(host.notes("started", kind="monitor")) == 1 + ("monitor" in silent)


def test_nothing_changes_when_the_configuration_is_wrong(start: "Start", tmp_path: Path) -> None:
    host = start(reloads=[{"error": "noggin.yaml:7:3: fleet.worker is no key"},
                          settings(tmp_path, threads=9)])  # fmt: skip
    workers = host.until_running()
    last = reload(host)

    assert last["outcome"] == "invalid"
    assert "noggin.yaml:7:3" in host.said()["config_error"]
    assert host.workers() == workers
    assert (host.said()["state"], host.said()["config_version"]) == ("running", 1)
    assert reload(host)["outcome"] == "applied"
    assert host.said()["config_error"] is None


def test_a_fixed_key_is_refused_with_the_remedy(start: "Start", tmp_path: Path) -> None:
    fresh = settings(tmp_path) | {"monitor": {"bind": "off"}}
    host = start(reloads=[fresh])
    host.until_running()

    assert reload(host)["error"] == (
        'noggin.yaml:7:12: monitor.bind cannot change from "127.0.0.1:0" to "" while the fleet'
        " runs; restart the service to change it"
    )


def test_reloads_become_one_when_they_are_asked_for_meanwhile(
    start: "Start", tmp_path: Path
) -> None:
    rolled = settings(tmp_path, output="elsewhere")
    host = start(reloads=[rolled, rolled | {"fleet": {**rolled["fleet"], "threads": 3}}])
    workers = host.until_running()
    os.kill(workers[1], signal.SIGSTOP)  # it ends when it goes on: until then the first goes on
    host.signal(signal.SIGHUP)
    until(lambda: host.said()["reload"]["state"] == "applying", timeout_s=60)
    for heard in range(2, 7):
        host.signal(signal.SIGHUP)
        until(lambda heard=heard: len(host.logged("signal_received")) == heard)
    os.kill(workers[1], signal.SIGCONT)
    until(lambda: over(host, 2), timeout_s=60)

    assert len(host.notes("reread")) == 2
    until(lambda: len(host.notes("settings", threads=3)) == 3)


def test_fleet_drains_when_told_to_end_in_the_middle_of_a_roll(
    start: "Start", tmp_path: Path
) -> None:
    host = start(worker="slow", reloads=[settings(tmp_path, output="elsewhere", grace_s=1)],
                 fleet={"workers": 2, "grace_s": 1})  # fmt: skip
    host.until_running()
    host.signal(signal.SIGHUP)
    until(lambda: host.notes("asked"))
    host.signal(signal.SIGTERM)

    assert host.wait() == 0
    assert host.children() == set()


def test_systemd_hears_of_the_end_only_when_all_is_rolled(start: "Start", tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        host = start(reloads=[settings(tmp_path, output="elsewhere")],
                     env={"NOTIFY_SOCKET": str(tmp_path / "notify")})  # fmt: skip
        before = host.until_running()
        _until_told(systemd, "READY=1")
        host.signal(signal.SIGHUP)
        reloading = _until_told(systemd, "RELOADING=1")
        said = _until_told(systemd, "READY=1")

    assert "MONOTONIC_USEC=" in reloading
    assert "configuration applied" in said
    assert not set(before.values()) & set(host.workers().values())


def test_systemd_does_not_take_a_reload_for_the_end_of_the_start(
    start: "Start", tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        host = start(worker="choosy", fleet={"workers": 1, "threads": 14},
                     reloads=[{"error": "line 3: no"}],
                     env={"NOTIFY_SOCKET": str(tmp_path / "notify")})  # fmt: skip
        until(lambda: host.notes("started"), what="a worker that is not at work yet")
        assert reload(host)["outcome"] == "invalid"
        assert host.said()["state"] == "starting"
        host.signal(signal.SIGTERM)
        heard = ""
        while "STOPPING=1" not in heard:
            heard += systemd.recv(1000).decode()

    assert "READY=1" not in heard
    assert "RELOADING=1" not in heard


def _until_told(server: socket.socket, word: str) -> str:
    while True:
        text = server.recv(1000).decode()
        if word in text:
            return text


def test_what_runs_is_published_without_secrets(start: "Start", tmp_path: Path) -> None:
    fresh = settings(tmp_path) | {"api": {"token": "hush-hush-hush"}}
    host = start(reloads=[fresh])
    host.until_running()
    reload(host)

    text = (host.state / "config.json").read_text()
    assert "hush" not in text
    assert json.loads(text)["settings"]["api.token"]["shown"] == "***"
    assert json.loads(text)["version"] == 2
    assert os.stat(host.state / "config.files").st_mode & 0o077 == 0  # noqa: PTH116


def test_what_runs_is_published_again_when_it_went_or_could_not_be_written(
    start: "Start", tmp_path: Path
) -> None:
    host = start(reloads=[settings(tmp_path, threads=7)])
    host.until_running()
    shown = host.state / "config.json"
    text = shown.read_text()
    for name in (shown.name, "config.files"):
        (host.state / name).unlink()
    until(lambda: (host.state / "config.files").exists(), timeout_s=30)
    assert shown.read_text() == text

    (host.state / ".config.json.new").mkdir()
    reload(host)
    assert host.said()["reload"]["last"]["outcome"] == "applied"
    assert json.loads(shown.read_text())["version"] == 1
    (host.state / ".config.json.new").rmdir()
    until(lambda: json.loads(shown.read_text())["version"] == 2, timeout_s=30)
    assert host.stderr().count("configuration_not_published") == 1
