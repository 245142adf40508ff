"""Fifty reloads in a row of a fleet at work: nothing is lost, charged, or done twice.

`python -m tests.faults reloads [--count N]`. Rates, log levels, threads, the number of workers and
the token change in place; now and then the output folder changes, and workers are rolled.
"""

import argparse
import itertools
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults import stage
from tests.support import fleet, hosts, reloads, truth, wait

WORK = ["--latency-ms", "20-60", "--missing", "0"]
SETTINGS = {"fleet": {"workers": 4, "threads": 2, "grace_s": 60}}
ROLLED = 10
"""Each so manieth reload is a rolled one."""


@dataclass(slots=True, kw_only=True)
class Figures:
    """What the reloads took, and what they did to processes."""

    live_s: list[float] = field(default_factory=list)
    rolled_s: list[float] = field(default_factory=list)
    down: int = 0
    """Most workers down at once in a rolled one."""
    left: int = 0
    """TIPs still to be done after the last reload: above 0, all of them came under load."""

    def lines(self) -> Iterator[str]:
        """The figures for people."""
        for name, took in (("live", self.live_s), ("rolled", self.rolled_s)):
            if took:
                ordered = sorted(took)
                yield (
                    f"{name}: {len(took)} reloads, median {ordered[len(took) // 2]:.2f} s,"
                    f" longest {ordered[-1]:.2f} s"
                )
        yield f"TIPs still to be done after the last one: {self.left}"
        yield f"most workers down at once in a rolled one: {self.down}"


def changes(site: fleet.Site, count: int) -> Iterator[bool]:
    """Write one configuration after another; True for one that must be rolled."""
    settings = site.settings
    workers = itertools.cycle([8, 2, 4])
    levels = itertools.cycle(["debug", "warning", "info"])
    for turn in range(1, count + 1):
        rolled = turn % min(ROLLED, count) == 0
        if rolled:
            settings["paths"]["output"] = str(site.folder / f"output-{turn}")
        else:
            match turn % 5:
                case 0:
                    settings["pacing"] = {"defaults": {"rate": f"{300 + turn}/s"}}
                case 1:
                    settings["fleet"]["workers"] = next(workers)
                case 2:
                    settings["api"]["token_file"] = _token(site, turn)
                case 3:
                    settings["log"] = {"level": next(levels)}
                case 4:
                    settings["fleet"]["threads"] = 2 + turn % 7
        site.write()
        yield rolled


def _token(site: fleet.Site, turn: int) -> str:
    file = site.folder / f"token-{turn}"
    file.write_text((site.folder / "token").read_text() + "\n" * (turn % 3))
    file.chmod(0o600)
    return str(file)


def run(site: fleet.Site, *, tips: int, count: int) -> Figures:
    """So many reloads of a fleet that then finishes its work. Raises: AssertionError."""
    figures = Figures()
    with fleet.running(site) as process:
        reloads.running(site, int(site.settings["fleet"]["workers"]))
        hosts.progress(site, 5)
        for rolled in changes(site, count):
            _one(site, figures, rolled=rolled)
        last = fleet.supervisor_file(site)["reload"]["last"]
        assert last["number"] == count, last
        figures.left = tips - hosts.done(site)
        wait.until(lambda: hosts.done(site) == tips, timeout_s=400, what="the end of the work")
        process.terminate()
        assert process.wait(120) == 0, site.log[-4000:]
    check(site, tips)
    return figures


def _one(site: fleet.Site, figures: Figures, *, rolled: bool) -> None:
    wanted = int(site.settings["fleet"]["workers"])
    if rolled:  # those that still drain, or boot, because of an earlier resize are not its doing
        reloads.running(site, wanted)
    before = _at_work(site)
    number, began = reloads.number(site), time.monotonic()
    os.kill(int(fleet.supervisor_file(site)["pid"]), signal.SIGHUP)
    down, worst = 0, ""

    def over() -> dict[str, Any]:
        nonlocal down, worst
        said = fleet.supervisor_file(site)
        busy = sum(slot["state"] == "running" for slot in said["slots"])
        if wanted - busy > down:
            down, worst = wanted - busy, " ".join(slot["state"] for slot in said["slots"])
        last: dict[str, Any] = said["reload"]["last"] or {}
        return last if last.get("number", 0) > number else {}

    last = wait.until(over, timeout_s=240, every_s=0.005, what="the end of a reload")
    assert last["outcome"] in ("applied", "unchanged"), last
    (figures.rolled_s if rolled else figures.live_s).append(time.monotonic() - began)
    if rolled:
        figures.down = max(figures.down, down)
        assert down <= 1, f"{down} workers were down at once: {worst}"
        assert not set(before.values()) & set(reloads.pids(site))
    else:
        after = _at_work(site)
        new = {slot for slot, pid in before.items() if slot < wanted and after.get(slot) != pid}
        assert not new, f"workers {new} are others than before: {before}, {after}"


def _at_work(site: fleet.Site) -> dict[int, int]:
    """Process ids by slot, without those that drain because fewer workers are wanted."""
    said = fleet.supervisor_file(site)["slots"]
    return {slot["slot"]: slot["pid"] for slot in said if slot["state"] == "running"}


def check(site: fleet.Site, tips: int) -> None:
    """Every TIP is done and settled once; nobody paid; nothing is leased or half written."""
    assert hosts.done(site) == tips
    assert hosts.charged(site) == []
    assert site.value("SELECT max(interruptions) FROM noggin_data") == 0
    assert site.value("SELECT count(*) FROM lease") == 0
    assert site.value("SELECT count(*) FROM settled") == tips
    texts = [path for folder in site.folder.glob("output*") for path in folder.rglob("*.txt")]
    assert len(texts) == tips
    assert not list(site.folder.glob("output*/**/*.tmp"))


def prepare(site: fleet.Site, token: str) -> None:
    """Put the token into a file, and count every settle."""
    (site.folder / "token").write_text(token)
    site.settings["api"].pop("token")
    site.settings["api"]["token_file"] = _token(site, 0)
    site.write()
    with site.connect() as connection:
        connection.execute(truth.COUNT_SETTLES)


def main(words: list[str]) -> int:
    """Run it at full length on a database of its own, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults reloads", description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--tips", type=int, default=6000)
    asked = parser.parse_args(words)
    with stage.stage(tips=asked.tips, options=WORK, **SETTINGS) as made:
        prepare(made.site, made.api.token)
        figures = run(made.site, tips=asked.tips, count=asked.count)
    for line in figures.lines():
        print(line)
    print(f"{asked.count} reloads: {asked.tips} TIPs done, each settled once, none charged")
    return 0
