"""The same outage for fleets behind other breakers, each against an outage server of its own."""

import contextlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from noggin_mp.simulator import data
from tests.benchmarks.breaker import stage, traffic
from tests.benchmarks.breaker.outage import Plan
from tests.benchmarks.breaker.traffic import S
from tests.support import fleet, wait

KINDS = {
    "process": "pybreaker, one per process",
    "redis": "pybreaker, shared by Redis",
    "none": "no breaker",
}
_TIPS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """How one of them met the outage; `skipped` says why it did not."""

    kind: str
    workers: int
    leaked: int = 0
    probes: int = 0
    peak: int = 0
    burst: int = 0
    wasted: int = 0
    resume_s: float = 0.0
    skipped: str = ""


def available() -> dict[str, str]:
    """The kinds, each with the reason why it cannot be measured here, or an empty one."""
    missing = "" if shutil.which("redis-server") else "redis-server is not installed"
    return {kind: missing if kind == "redis" else "" for kind in KINDS}


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[Path]:
    """The socket of a Redis server that keeps nothing."""
    folder.mkdir(parents=True)
    socket = folder / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "",
               "--appendonly", "no", "--dir", str(folder)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait.until(socket.exists, timeout_s=60, what="the Redis server")
        yield socket
    finally:
        process.terminate()
        process.wait(60)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Crew:
    kind: str
    workers: int
    api: fleet.Simulator
    log: traffic.Log
    processes: list["subprocess.Popen[bytes]"]


def measured(folder: Path, plan: Plan, *, sizes: Sequence[int]) -> list[Peer]:
    """Every peer in every size, all at once, through the plan's outage."""
    skipped = [
        Peer(kind=kind, workers=size, skipped=why)
        for size in sizes
        for kind, why in available().items()
        if why
    ]
    with contextlib.ExitStack() as stack:
        redis = None
        if not available()["redis"]:
            redis = stack.enter_context(redis_server(folder / "redis"))
        crews = [
            stack.enter_context(_crew(folder, plan, kind, size, redis))
            for size in sizes
            for kind, why in available().items()
            if not why
        ]
        stage.pause(plan.warm_s)
        downs = [_switch(crew, "503") for crew in crews]
        stage.pause(plan.outage_s)
        ups = [_switch(crew, "ok") for crew in crews]
        stage.pause(plan.open_s + plan.after_s + 2)
        found = [
            _seen(crew, plan, down, up) for crew, down, up in zip(crews, downs, ups, strict=True)
        ]
    return found + skipped


def _switch(crew: _Crew, mode: str) -> int:
    now = time.monotonic_ns()
    crew.api.control(body={"mode": mode})
    return now


@contextlib.contextmanager
def _crew(folder: Path, plan: Plan, kind: str, workers: int, redis: Path | None) -> Iterator[_Crew]:
    own = folder / f"{kind}_{workers}"
    own.mkdir(parents=True)
    options = ["--missing", "0", "--latency-ms", "20", "--log", str(own / "log"), "--seed", "7"]
    with fleet.simulator(own, tips=_TIPS, options=options) as api:
        wish = {
            "kind": kind,
            "base_url": api.base_url,
            "token": api.token,
            "namespace": api.namespace,
            "threads": plan.threads,
            "open_s": plan.open_s,
            "paths": _paths(),
            "redis": str(redis),
        }
        log = traffic.Log(own / "log")
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.breaker.peer",
                 json.dumps(wish | {"name": f"{kind}/{number}"})]
            )
            for number in range(workers)
        ]  # fmt: skip
        try:
            _all_at_work(log, workers)
            yield _Crew(kind=kind, workers=workers, api=api, log=log, processes=processes)
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(60)


def _all_at_work(log: traffic.Log, workers: int) -> None:
    wait.until(
        lambda: len({one.worker for one in log.read() if one.ok}) >= workers,
        timeout_s=120,
        every_s=0.1,
        what="every peer at work",
    )


def _paths() -> list[str]:
    world = data.World(seed=7, tips=_TIPS)
    return [
        f"/rest/object/{world.place(number).shape.endpoint}/{world.tip(number)}"
        for number in range(_TIPS)
        if world.exists(number)
    ]


def _seen(crew: _Crew, plan: Plan, down_ns: int, up_ns: int) -> Peer:
    requests = crew.log.read()
    failed = [one for one in requests if one.start_ns >= down_ns and not one.ok]
    first_open_ns = down_ns + int(0.8 * plan.open_s * S)
    leaked = [one for one in failed if one.start_ns < first_open_ns]
    probes = [one for one in failed if one.start_ns >= first_open_ns]
    good = [one.start_ns for one in requests if one.ok and one.start_ns >= up_ns]
    return Peer(
        kind=crew.kind,
        workers=crew.workers,
        leaked=len(leaked),
        probes=len(probes),
        peak=traffic.peak(probes),
        burst=traffic.burst(probes),
        wasted=len(failed),
        resume_s=(min(good, default=up_ns) - up_ns) / S,
    )
