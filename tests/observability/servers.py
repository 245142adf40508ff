"""A real Prometheus and a real Alertmanager on loopback, and what they say."""

import contextlib
import datetime
import json
import os
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.observability import fast
from tests.support import parts, wait

PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Its HTTP API."""

    address: str

    def _ask(self, path: str, **words: object) -> Any:
        query = urllib.parse.urlencode(words)
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}?{query}", timeout=30) as got:
                return json.load(got)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{words}: {error.read().decode()}") from None

    def vector(self, expression: str, at: float | None = None) -> dict[Labels, float]:
        """An instant query's series and values."""
        moment = {} if at is None else {"time": at}
        found = self._ask("/api/v1/query", query=expression, **moment)["result"]
        return {frozenset(one["metric"].items()): float(one["value"][1]) for one in found}

    def value(self, expression: str, at: float | None = None) -> float:
        """An instant query's only value. Raises: AssertionError when there is not exactly one."""
        found = self.vector(expression, at)
        assert len(found) == 1, f"{expression}: {len(found)} series"
        return next(iter(found.values()))

    def series(
        self, expression: str, start: float, end: float, step: float = 1.0
    ) -> dict[Labels, list[tuple[float, float]]]:
        """A range query's series: (time, value) pairs."""
        found = self._ask("/api/v1/query_range", query=expression, start=start, end=end, step=step)[
            "result"
        ]
        return {
            frozenset(one["metric"].items()): [(float(t), float(v)) for t, v in one["values"]]
            for one in found
        }

    def firing(self, at: float | None = None) -> set[str]:
        """The alerts that fire, as `name severity`."""
        return {_alert(labels) for labels in self.vector('ALERTS{alertstate="firing"}', at)}

    def fired(self, start: float, end: float) -> set[str]:
        """The alerts that fired at some time between."""
        found = self.series('ALERTS{alertstate="firing"}', start, end)
        return {_alert(labels) for labels in found}


def _alert(labels: Labels) -> str:
    of = dict(labels)
    return f"{of['alertname']} {of['severity']}"


@dataclass(frozen=True, slots=True)
class Alertmanager:
    """Its HTTP API."""

    address: str

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts it holds."""
        address = f"http://{self.address}/api/v2/alerts"
        with urllib.request.urlopen(address, timeout=30) as got:
            found: list[dict[str, Any]] = json.load(got)
        return found

    def send(self, alerts: list[dict[str, Any]], *, for_s: float) -> None:
        """Tell it that these alerts fire for so long; 0: that they are over."""
        now = datetime.datetime.now(datetime.UTC)
        ends = (now + datetime.timedelta(seconds=for_s)).isoformat()
        starts = (now - datetime.timedelta(seconds=1)).isoformat()
        body = json.dumps([{**one, "startsAt": starts, "endsAt": ends} for one in alerts])
        request = urllib.request.Request(
            f"http://{self.address}/api/v2/alerts",
            data=body.encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as got:  # noqa: S310 - our own server
            assert got.status == 200

    def inhibited(self) -> set[str]:
        """The names of the alerts that are not sent, because another explains them."""
        return {one["labels"]["alertname"] for one in self.alerts() if one["status"]["inhibitedBy"]}


@contextlib.contextmanager
def both(
    folder: Path, target: str, *, every_s: float = 1.0
) -> Iterator[tuple[Prometheus, Alertmanager]]:
    """Both at work with the quick rules, scraping the monitor at `target` (host:port)."""
    folder.mkdir()
    fast.write(folder)
    with alertmanager(folder) as manager:
        (folder / "prometheus.yml").write_text(_config(target, manager.address, every_s))
        command = [
            str(parts.find("prometheus")),
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            "--log.level=warn",
            "--rules.alert.resend-delay=1s",
        ]
        with _serving(command, folder / "prometheus.log") as address:
            yield Prometheus(address), manager


@contextlib.contextmanager
def alertmanager(
    folder: Path, *, webhook: str = "http://127.0.0.1:9/", smarthost: str = "127.0.0.1:9"
) -> Iterator[Alertmanager]:
    """The shipped routes and inhibitions; unless told otherwise its receivers reach nobody.

    Nothing waits for further alerts of its group.
    """
    config = yaml.safe_load((fast.ALERTMANAGER / "alertmanager.yml").read_text())
    config["templates"] = [str(fast.ALERTMANAGER / "templates" / "*.tmpl")]
    for name in ("smtp_auth_password_file", "slack_api_url_file"):
        (folder / name).write_text(webhook if name.startswith("slack") else "none")
        config["global"][name] = str(folder / name)
    config["global"]["smtp_smarthost"] = smarthost
    for route in (config["route"], *config["route"]["routes"]):
        route["group_wait"] = "100ms"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    command = [
        str(parts.find("prometheus-alertmanager")),
        f"--config.file={folder}/alertmanager.yml",
        f"--storage.path={folder}/alertmanager",
        "--cluster.listen-address=",
        "--log.level=error",
    ]
    with _serving(command, folder / "alertmanager.log") as address:
        yield Alertmanager(address)


def _config(target: str, alertmanager: str, every_s: float) -> str:
    every = f"{round(every_s * 1000)}ms"
    shipped = yaml.safe_load((fast.PROMETHEUS / "prometheus.yml").read_text())
    shipped["global"] = {"scrape_interval": every, "evaluation_interval": every}
    shipped["global"]["scrape_timeout"] = every
    shipped["rule_files"] = ["recording.yml", "alerts.yml"]
    shipped["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
    managers = shipped["alerting"]["alertmanagers"]
    managers[0]["static_configs"][0]["targets"] = [alertmanager]
    return yaml.safe_dump(shipped)


def _free_port() -> int:
    """A port of loopback that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _serving(command: list[str], log: Path) -> Iterator[str]:
    """The address at which the program answers, for the length of a `with` block."""
    process, address = _started(command, log)
    try:
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _started(command: list[str], log: Path) -> tuple["subprocess.Popen[bytes]", str]:
    """The program once it is ready; tried again where somebody else was quicker at its port."""
    while True:
        address = f"127.0.0.1:{_free_port()}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [*command, f"--web.listen-address={address}"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent,
                env={**os.environ, "GOMAXPROCS": "1"},
            )  # fmt: skip
        try:
            wait.until(
                lambda process=process, address=address: (
                    process.poll() is not None or _answers(f"http://{address}/-/ready")
                ),
                timeout_s=90, what=f"{command[0]} to be ready",
            )  # fmt: skip
        except AssertionError:
            process.kill()
            process.wait()
            raise
        if process.poll() is None:
            return process, address
        assert "address already in use" in log.read_text(), log.read_text()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as got:  # noqa: S310 - our own server
            return bool(got.status == 200)
    except OSError:
        return False
