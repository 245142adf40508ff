"""What people ask of a running supervisor: sizes, a pause, logs, recycling, requests of hosts."""

import os
import pty
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noggin_mp.observe import metrics
from noggin_mp.supervisor import holdings
from tests.supervisor.conftest import opened
from tests.support.wait import until

if TYPE_CHECKING:
    from tests.supervisor.conftest import Host, Start


def scraped(host: "Host") -> str:
    return metrics.collect(holdings.metrics_folder(host.state)).decode()


def recycled(host: "Host", worker: int) -> float:
    """How many tenants of a slot were recycled, as the metrics tell."""
    series = rf'noggin_worker_exits_total{{reason="recycled",worker="{worker}"}} (\S+)'
    found = re.search(series, scraped(host))
    return float(found[1]) if found else 0.0


def test_workers_stop_leasing_and_go_on_when_winch_toggles(start: "Start") -> None:
    host = start(worker="listening")
    host.until_running()
    until(lambda: len(host.notes("leasing", may=True)) == 2)
    host.signal(signal.SIGWINCH)
    until(lambda: len(host.notes("leasing", may=False)) == 2)
    until(lambda: host.said()["paused"])
    assert "noggin_leasing_paused 1.0" in scraped(host)

    os.kill(host.workers()[1], signal.SIGKILL)  # who comes later is paused as well
    until(lambda: len(host.notes("leasing", may=False)) == 3)
    assert host.stderr().count("leasing_paused") == 1
    host.signal(signal.SIGWINCH)

    until(lambda: len(host.notes("leasing", may=True)) == 4)
    until(lambda: not host.said()["paused"])
    assert "noggin_leasing_paused 0.0" in scraped(host)
    assert host.said()["state"] == "running"


def test_winch_is_ignored_when_the_supervisor_has_a_terminal(start: "Start") -> None:
    master, slave = pty.openpty()
    host = start(worker="listening", stdin=slave)
    os.close(slave)
    host.until_running()
    host.signal(signal.SIGWINCH)
    host.signal(signal.SIGUSR2)
    until(lambda: "state_dumped" in host.stderr())
    os.close(master)

    assert host.said()["paused"] is False


def test_logs_are_opened_again_everywhere_when_usr1_comes(start: "Start", tmp_path: Path) -> None:
    host = start(monitor="asking", log_file=str(tmp_path / "fleet.log"))
    host.until_running()
    log = tmp_path / "fleet.log"
    until(lambda: "fleet_running" in log.read_text())
    log.rename(tmp_path / "fleet.log.1")
    host.signal(signal.SIGUSR1)
    host.signal(signal.SIGUSR2)

    until(lambda: log.exists() and "state_dumped" in log.read_text())
    pids = [host.pid, *host.children()]
    until(lambda: not [pid for pid in pids if str(tmp_path / "fleet.log.1") in opened(pid)])


def test_workers_are_recycled_one_by_one_when_they_have_done_enough(start: "Start") -> None:
    host = start(worker="hard_working", fleet={"workers": 3, "recycle_after_tips": 100})
    host.until_running(3)
    until(lambda: len(host.notes("ended", kind="worker")) >= 6, timeout_s=60)

    order = [n for n in host.notes() if n["event"] in ("started", "ended") and "slot" in n]
    order = [note for note in order if note["kind"] == "worker"][3:]
    for old, new in zip(order[::2], order[1::2], strict=False):
        # An end, and the same slot's new tenant, before the next ends: never two are down.
        assert (old["event"], new["event"], new["slot"]) == ("ended", "started", old["slot"])
    assert all(note["tips"] >= 80 for note in host.notes("ended", kind="worker"))
    until(lambda: recycled(host, 0) >= 2)
    assert 'noggin_worker_exits_total{reason="crashed",worker="0"} 0.0' in scraped(host)
    assert '"why": "recycled"' in host.stderr()


def test_worker_is_recycled_when_it_holds_too_much_memory(start: "Start") -> None:
    host = start(
        fleet={"workers": 1, "recycle_rss_bytes": "1 MB"}, rules={"recycle": {"youngest_s": 0}}
    )
    until(lambda: len(host.notes("started", kind="worker")) >= 2, timeout_s=60)

    assert "child_recycled" in host.stderr()


def test_metrics_count_workers_by_state_and_ends_by_reason(start: "Start") -> None:
    host = start(worker="half_crashing", rules={"backoff_first_s": 0.02, "park_window_s": 600})
    expected = {
        'noggin_workers{state="running"} 1.0',
        'noggin_workers{state="parked"} 1.0',
        'noggin_workers{state="hung"} 0.0',
        'noggin_worker_exits_total{reason="crashed",worker="0"} 5.0',
        'noggin_worker_exits_total{reason="crashed",worker="1"} 0.0',
        'noggin_worker_up{worker="0"} 0.0',
        'noggin_worker_up{worker="1"} 1.0',
        "noggin_config_last_reload_successful 1.0",
    }
    until(lambda: expected <= set(scraped(host).splitlines()), timeout_s=60, what=str(expected))
    assert len(list(Path(f"/proc/{host.pid}/task").iterdir())) == 1

    host.signal(signal.SIGTTIN)  # a person who asks for more workers gives the parked one a chance
    until(lambda: len(host.notes("started", slot=0, kind="worker")) > 5)
    until(lambda: len(host.workers()) >= 2)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_metrics_folder_is_gone_when_the_supervisor_has_ended(
    start: "Start", how: signal.Signals
) -> None:
    host = start()
    host.until_running()
    folder = holdings.metrics_folder(host.state)
    assert list(folder.glob("*_supervisor.db"))
    host.signal(how)

    assert host.wait() == 0
    assert not folder.exists()


def request(host: "Host", number: int, verb: str, n: int = 0) -> None:
    requests(host, f"{number} {verb} {n}\n")


def requests(host: "Host", lines: str) -> None:
    with Path(f"{host.journal}.requests").open("a", encoding="ascii") as file:
        file.write(lines)


def answer(host: "Host", number: int) -> Any:
    """What the monitor was told last about a request."""

    def found() -> list[Any]:
        told = [note["answer"] for note in host.notes("answered")]
        return [one for one in told if one["id"] == number]

    return until(found, what=f"an answer to request {number}")[-1]


def test_requests_of_hosts_are_obeyed_and_answered_when_the_monitor_tells_them(
    start: "Start",
) -> None:
    host = start(monitor="asking")
    host.until_running()
    request(host, 1, "scale", 3)
    assert answer(host, 1) == {"id": 1, "ok": True, "detail": {"workers": 3}}
    host.until_running(3)

    # The next monitor asks everything again: it is answered, and not obeyed again.
    host.signal(signal.SIGTTOU)
    host.until_running(2)
    os.kill(host.said()["monitor"]["pid"], signal.SIGKILL)
    until(lambda: len([n for n in host.notes("answered") if n["answer"]["id"] == 1]) == 2)
    host.until_running(2)

    request(host, 2, "frobnicate")
    assert answer(host, 2)["ok"] is False
    request(host, 3, "drain")
    assert answer(host, 3) == {"id": 3, "ok": True, "detail": {"state": "draining"}}
    assert host.wait() == 0
    assert "asked by fleet drain" in host.stderr()


def test_overtaken_request_is_answered_at_once_by_the_fleet_itself(start: "Start") -> None:
    host = start(monitor="asking")
    host.until_running()
    requests(host, "1 scale 4\n2 scale 3\n")
    overtaken = {"result": "overtaken", "error": "overtaken by request 2 for 3 workers"}
    detail = {**overtaken, "overtaken_by": 2}
    assert answer(host, 1) == {"id": 1, "ok": False, "detail": detail}
    assert answer(host, 2) == {"id": 2, "ok": True, "detail": {"workers": 3}}
    host.until_running(3)
