"""Three hosts in network namespaces, one of them hours ahead: cut off, killed and frozen in turn.

After each fault the others must go on, and one of them must lead; at the end every TIP must have
been settled exactly once and charged to nobody.
"""

import argparse
import contextlib
import os
import random
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import stage
from tests.support import fleet, hosts, postgres, trio

SPREAD_S = 30.0
"""Another one leads, and the others have gone on, within this time of any fault."""
Figures = dict[str, list[float]]


@contextlib.contextmanager
def cut_from_database(host: trio.Host) -> Iterator[None]:
    """What the database answers to the host is dropped; what the host says still arrives."""
    with host.site.island.unheard(trio.DATABASE_PORT):
        yield


@contextlib.contextmanager
def cut_from_everything(host: trio.Host) -> Iterator[None]:
    """The link is down: packets vanish both ways."""
    host.site.island.cut()
    try:
        yield
    finally:
        host.site.island.heal()


@contextlib.contextmanager
def killed(host: trio.Host) -> Iterator[None]:
    """The power is cut, and comes back."""
    host.kill()
    try:
        yield
    finally:
        host.start()


@contextlib.contextmanager
def frozen(host: trio.Host) -> Iterator[None]:
    """Every process stands still, while the kernel keeps their connections alive."""
    host.freeze()
    try:
        yield
    finally:
        host.thaw()


@contextlib.contextmanager
def frozen_monitor(host: trio.Host) -> Iterator[None]:
    """Only the monitor stands still."""
    pid = int(fleet.supervisor_file(host.site)["monitor"]["pid"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


Fault = Callable[[trio.Host], "contextlib.AbstractContextManager[None]"]
FAULTS: dict[str, Fault] = {
    "leader cut off from the database": cut_from_database,
    "leader cut off from everything": cut_from_everything,
    "leader's host killed": killed,
    "leader's host frozen": frozen,
    "leader's monitor frozen": frozen_monitor,
}


def one_fault(three: trio.Trio, what: str, fault: Fault, figures: Figures) -> None:
    """Hit the leader, measure, heal, and wait until all are back."""
    leader = hosts.until(three.leader, what="somebody leads")
    others = [name for name in trio.NAMES if name != leader]
    with fault(three.hosts[leader]):
        began = time.monotonic()
        hosts.until(
            lambda: three.leader() not in (None, leader), timeout_s=SPREAD_S, what="a successor"
        )
        figures[f"{what} -> another one leads"].append(time.monotonic() - began)
        three.goes_on(*others, more=10, timeout_s=SPREAD_S)
        # Longer than a lease, so that what the leader held is leased by others.
        past = began + trio.LEASE_S + 3
        hosts.until(lambda: time.monotonic() > past, timeout_s=60, what="its leases have run out")
    three.all_beat()
    three.goes_on(leader, more=5)


def cut_from_api(three: trio.Trio, name: str, figures: Figures) -> None:
    """A host whose way to the API is cut: how fast the others go, and how often all stop."""
    others = [one for one in trio.NAMES if one != name]
    trips = "SELECT count(*) FROM breaker_events WHERE event_type = 'trip'"
    before = three.desk.value(trips)
    free = _seconds(lambda: three.goes_on(*others, more=60, timeout_s=120))
    with three.hosts[name].site.island.unheard(three.api_port):
        three.goes_on(*others, more=30, timeout_s=120)
        held = _seconds(lambda: three.goes_on(*others, more=60, timeout_s=120))
    figures["host cut off from the API -> the others slow down by a factor of"].append(held / free)
    figures["host cut off from the API -> trips of the whole fleet"].append(
        three.desk.value(trips) - before
    )
    three.goes_on(name, more=5)


def _seconds(what: Callable[[], None]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


def main(words: list[str]) -> int:
    """Run the rounds and print the figures; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults hosts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--hours", type=float, default=trio.HOURS, help="of one host's clock")
    parser.add_argument("--tips", type=int, default=6000)
    asked = parser.parse_args(words)
    figures: Figures = defaultdict(list)
    postgres.begin()
    try:
        for number in range(asked.rounds):
            with stage.folder() as home:
                one_round(trio.world(home, tips=asked.tips, hours=asked.hours), figures)
            print(f"round {number + 1} of {asked.rounds} held", flush=True)
    except pytest.skip.Exception as reason:
        print(reason)
        return 1
    finally:
        postgres.end(Path(os.environ.pop(postgres.RUN)))
    for what, found in figures.items():
        print(
            f"{what:<70} n={len(found)} p50 {statistics.median(found):6.1f}  max {max(found):6.1f}"
        )
    return 0


def one_round(world: "contextlib.AbstractContextManager[trio.Trio]", figures: Figures) -> None:
    """Every fault once, in random order, then all is finished and counted."""
    with world as three:
        three.goes_on(*trio.NAMES)
        for what in random.sample(list(FAULTS), len(FAULTS)):
            one_fault(three, what, FAULTS[what], figures)
            print(f"{what}: held", flush=True)
        cut_from_api(three, random.choice(trio.NAMES), figures)
        three.api.control(body={"latency_ms": "0-20"})
        three.finish()
