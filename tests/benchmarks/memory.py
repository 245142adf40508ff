"""Memory and start times (M1): a fleet of 16 threads per worker at full load, and two commands."""

import os
import statistics
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path

from tests.benchmarks import report
from tests.faults import stage
from tests.support import fleet, promises

MIB = 2**20
WORKERS, THREADS = 4, 16
BOUNDS_MIB = {"worker": 40.0, "supervisor": 45.0}
BOUNDS_S = {"--help": 0.25, "status": 0.6}


def pss_bytes(pid: int) -> int:
    """The memory of a process, what it shares divided by the sharers.

    Source: proc(5), /proc/pid/smaps_rollup.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024


def measured(made: stage.Stage, *, for_s: float) -> dict[str, list[int]]:
    """PSS in bytes, each worker's largest; the supervisor's and the monitor's as well."""
    found: dict[int, tuple[str, int]] = {}
    with fleet.running(made.site, "--workers", str(WORKERS), "--threads", str(THREADS)) as process:
        promises.settle_in(made.site, WORKERS)
        end = time.monotonic() + for_s
        while time.monotonic() < end:
            said = fleet.supervisor_file(made.site)
            kinds = dict.fromkeys(fleet.workers(made.site).values(), "worker")
            kinds |= {process.pid: "supervisor", said["monitor"]["pid"]: "monitor"}
            for pid, kind in kinds.items():
                found[pid] = kind, max(pss_bytes(pid), found.get(pid, ("", 0))[1])
            threading.Event().wait(0.25)
    by_kind = defaultdict(list)
    for kind, size in found.values():
        by_kind[kind].append(size)
    return by_kind


def started_s(command: list[str], times: int) -> list[float]:
    """How long a command takes from its start to its end, again and again."""
    took = []
    for _ in range(times + 1):
        began = time.monotonic()
        subprocess.run(command, capture_output=True, check=True)
        took.append(time.monotonic() - began)
    return took[1:]  # the first one fills the machine's caches


def run(options: report.Options) -> report.Report:
    """Measure all of M1."""
    made_tips = 1500 if options.quick else 8000
    with stage.stage(tips=made_tips, options=["--latency-ms", "20"]) as made:
        environment = report.environment(made.site.dsn)
        memory = measured(made, for_s=4 if options.quick else 20)
        settled = made.site.value(
            "SELECT count(*) FROM noggin_data WHERE processing_status <> 'pending'"
        )
        times = 5 if options.quick else 20
        commands = {
            "--help": started_s(made.site.command("--help"), times),
            "status": started_s(made.site.command("status"), times),
        }
    return report.Report(
        suite="memory",
        title="memory and start times",
        promises=[
            *(_memory(kind, memory[kind], bound) for kind, bound in BOUNDS_MIB.items()),
            _memory("monitor", memory["monitor"], None),
            *(_time(name, commands[name], bound) for name, bound in BOUNDS_S.items()),
        ],
        notes=[
            f"{WORKERS} workers of {THREADS} threads, a simulator that answers after 20 ms,"
            f" {settled} TIPs done meanwhile; the largest PSS of each process counts.",
            f"Commands run {times} times; the median counts. Load average {os.getloadavg()[0]:.1f}"
            " at the end.",
        ],
        environment=environment,
    )


def _memory(kind: str, sizes: list[int], bound: float | None) -> report.Promise:
    largest = max(sizes) / MIB
    return report.Promise(
        row="M1",
        what=f"PSS of the {kind}"
        if len(sizes) == 1
        else f"PSS of a {kind}, largest of {len(sizes)}",
        bound=f"<= {bound:g} MiB" if bound else "",
        figure=f"{largest:.1f} MiB",
        holds=None if bound is None else largest <= bound,
    )


def _time(name: str, took: list[float], bound: float) -> report.Promise:
    middle = statistics.median(took)
    return report.Promise(
        row="M1",
        what=f"noggin-mp {name}",
        bound=f"<= {bound:g} s",
        figure=f"{middle:.2f} s (fastest {min(took):.2f} s)",
        holds=middle <= bound,
    )
