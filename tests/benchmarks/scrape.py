"""The cost of a scrape (O1): 32 workers that have met everything, over HTTP, beside the library."""

import os
import shutil
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from noggin_mp.domain import outcome
from noggin_mp.gateway import reasons
from noggin_mp.monitor import pages, samples, surroundings
from noggin_mp.observe import metrics
from noggin_mp.settings import schema
from noggin_mp.supervisor import listen
from tests.benchmarks import report

WORKERS = 32
BOUND_MS = 150.0
TYPES = ("LCD", "LCS", "CCC", "FPI", "SO", "TA")
HOST = "services.example.com"

NOTES = (
    "32 workers wrote their files as a fleet does, each with as many series as it may have, and"
    " are gone; nothing else of the monitor is at work.",
    "Over HTTP means a GET of the status server's /metrics from a client on the same machine, the"
    " reading of all files included. The library is prometheus_client's own collector and text, on"
    " the same files, without HTTP.",
)


def run(options: report.Options) -> report.Report:
    """The report of one run."""
    folder = Path(tempfile.mkdtemp(prefix="noggin_scrape_", dir=_memory()))
    try:
        environment = report.machine()
        _fill(folder)
        found = _measured(folder, 10 if options.quick else 60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report.Report(
        suite="scrape",
        title="the cost of a scrape",
        promises=_promises(found),
        notes=NOTES,
        environment=environment,
        details=found,
    )


def _memory() -> Path | None:
    """Where a fleet keeps these files: in memory."""
    found = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return found if found.is_dir() else None


def _fill(folder: Path) -> None:
    for slot in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            try:
                _work(folder, str(slot))
            finally:
                os._exit(0)
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("a writer failed")


def _work(folder: Path, slot: str) -> None:
    """What a worker may meet in a bad week."""
    made = metrics.Metrics(slot=slot, directory=folder, host=HOST, types=TYPES)
    for role in outcome.Role:
        for reason in [*reasons.TABLE][:40]:
            kind = outcome.Kind.SERVER_ERROR
            made.request(outcome.Attempt(kind=kind, role=role, reason=reason, duration_s=0.3))
    for code in TYPES:
        made.tip_settled(code, "complete", 2.0)
    made.attachment("published", 2_000_000)
    made.worker_busy(8, resident_bytes=40_000_000)


def _measured(folder: Path, times: int) -> dict[str, Any]:
    with _serving(folder) as address:
        first_ms, text = _timed(lambda: _get(address))
        warm = [_timed(lambda: _get(address))[0] for _ in range(times)]
    library = [_timed(lambda: _library(folder))[0] for _ in range(max(5, times // 4))]
    lines = [line for line in text.splitlines() if not line.startswith(b"#")]
    return {
        "first_ms": first_ms,
        "median_ms": statistics.median(warm),
        "worst_ms": max(warm),
        "library_ms": statistics.median(library),
        "series": len(lines),
        "most_series_of_a_worker": max(
            sum(f'worker="{slot}"'.encode() in line for line in lines) for slot in range(WORKERS)
        ),
        "bytes": len(text),
        "all_ms": [round(one, 2) for one in warm],
    }


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """The monitor's HTTP server on these files; its address."""
    stop = threading.Event()
    sampler = samples.Sampler(connect=_nobody, stopping=stop.is_set, wait=stop.wait)
    around = surroundings.Surroundings(
        output=folder, read_token=lambda: "", stopping=stop.is_set, wait=stop.wait
    )
    server = pages.Server(
        sampler=sampler,
        surroundings=around,
        settings=schema.Settings(),
        types=TYPES,
        metrics_dir=folder,
        supervisor_pid=0,
    )
    listening = listen.bind(("127.0.0.1", 0))
    address = "http://{}:{}/metrics".format(*listening.getsockname()[:2])
    thread = threading.Thread(target=server.serve, args=(listening,))
    thread.start()
    try:
        yield address
    finally:
        server.stop()
        thread.join(10)


def _nobody() -> Any:
    raise RuntimeError("no database takes part in this")


def _get(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=30) as answer:  # noqa: S310 - our own server
        body: bytes = answer.read()
    return body


def _library(folder: Path) -> bytes:
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
    return prometheus_client.generate_latest(registry)


def _timed(do: Callable[[], bytes]) -> tuple[float, bytes]:
    began = time.perf_counter()
    made = do()
    return (time.perf_counter() - began) * 1000, made


def _promises(found: dict[str, Any]) -> list[report.Promise]:
    median, library = found["median_ms"], found["library_ms"]
    return [
        report.Promise(
            row="O1",
            what=f"a scrape over HTTP with {WORKERS} workers",
            bound=f"under {BOUND_MS:.0f} ms",
            figure=f"{median:.0f} ms (worst {found['worst_ms']:.0f}, first"
            f" {found['first_ms']:.0f})",
            holds=median < BOUND_MS,
            note=f"{found['series']:,} series, {found['bytes'] / 1000:,.0f} kB of text; the first"
            " scrape of a monitor parses every key, the others only read numbers",
        ),
        report.Promise(
            row="O1",
            what="the same, beside the library's collector",
            bound="-",
            figure=f"{library / median:.1f} times as fast ({library:.0f} ms)",
            holds=None,
        ),
        report.Promise(
            row="O1",
            what="series of one worker",
            bound="at most 300",
            figure=str(found["most_series_of_a_worker"]),
            holds=found["most_series_of_a_worker"] <= 300,
        ),
    ]
