"""How long a fleet takes to replace the dead and the hung, and to end: the figures of S1 and S2."""

import argparse
import contextlib
import signal
import statistics
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from subprocess import Popen

from tests.faults import stage
from tests.support import fleet, promises

WORKERS = 8
WATCHDOG_S = 5.0
GRACE_S = 3.0
BOUNDS = {
    "S1 SIGKILL of a worker -> its replacement leases": 2.0,
    "S1 SIGKILL of a worker -> its TIPs are leased again": 3.0,
    f"S2 SIGSTOP of a worker -> replacement leases (watchdog {WATCHDOG_S:g} s + 6)": WATCHDOG_S + 6,
    f"S2 TERM with jobs that do not end -> all ended (grace {GRACE_S:g} s + 5)": GRACE_S + 5,
    "S2 SIGKILL of the supervisor -> no orphan": 2.0,
}
KILLED, AGAIN, HUNG, STOPPED, ORPHANED = BOUNDS
Figures = dict[str, list[float]]


@contextlib.contextmanager
def running(site: fleet.Site) -> Iterator["Popen[bytes]"]:
    """A fleet with every worker at work on something slow."""
    with fleet.running(site, "--workers", str(WORKERS), "--threads", "2") as process:
        promises.settle_in(site, WORKERS)
        yield process


def one_round(made: stage.Stage, figures: Figures) -> None:
    """Each trial once, the first of them for every worker."""
    site = made.site
    made.api.control(body={"latency_ms": "200"})
    with site.connect() as connection:
        connection.execute(promises.AGAIN)
    with running(site) as process:
        for slot in range(WORKERS):  # each once: the second time in a minute is slower on purpose
            took, again, _ = promises.replaced(site, slot, signal.SIGKILL, timeout_s=30)
            figures[KILLED].append(took)
            figures[AGAIN].append(again)
        figures[ORPHANED].append(promises.orphaned_s(site, process, timeout_s=10))
    with running(site) as process:
        with ThreadPoolExecutor(WORKERS) as pool:
            stopped = [
                pool.submit(promises.replaced, site, slot, signal.SIGSTOP, timeout_s=60)
                for slot in range(0, WORKERS, 2)
            ]
        figures[HUNG] += [one.result()[0] for one in stopped]
        made.api.control(body={"latency_ms": "60000"})
        promises.settle_in(site, WORKERS)
        figures[STOPPED].append(promises.stopped_s(site, process, timeout_s=60))


def main(words: list[str]) -> int:
    """Run the rounds and print the figures; 0 when every bound held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults supervision", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args(words)
    figures: Figures = defaultdict(list)
    settings = {"fleet": {"watchdog_s": WATCHDOG_S, "grace_s": GRACE_S}}
    with stage.stage(tips=2500, **settings) as made:
        with made.site.connect() as connection:
            connection.execute(promises.LOG_LEASES)
        for number in range(asked.rounds):
            one_round(made, figures)
            print(f"round {number + 1} of {asked.rounds} done", flush=True)
    return int(not all([told(what, figures[what], bound) for what, bound in BOUNDS.items()]))


def told(what: str, found: list[float], bound: float) -> bool:
    """Print one line of the table; True when the bound held."""
    held = max(found) <= bound
    middle, verdict = statistics.median(found), "holds" if held else "DOES NOT HOLD"
    print(f"{what:<75} n={len(found):<3} p50 {middle:5.2f} s  max {max(found):5.2f} s", end="")
    print(f"  bound {bound:4.1f} s  {verdict}", flush=True)
    return held
