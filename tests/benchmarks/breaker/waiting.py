"""What a fleet costs that waits: at an open breaker, in a pause, for a token, for work (Q5)."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from noggin_mp.store import breaker as breaker_store
from tests.benchmarks.breaker import stage, stops
from tests.support import fleet, postgres, wait

SETTLED_S = 4.0
"""How long after the standstill it is measured: patience is over, TIPs are back in the queue."""
POLICY = {**stops.POLICY, "open_duration_s": 600}
FLUSHED_S = 12.0
"""How long after its start an empty fleet is measured: an idle session of Postgres tells of its
last transactions, those of the start, 10 s late. Source: PGSTAT_IDLE_INTERVAL in its pgstat.c."""
STATES = ("an open breaker", "a pause by hand", "an auth stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """CPU in percent of one core; `switches` are wake-ups per second of the whole fleet."""

    state: str
    workers: int
    threads: int
    by_kind: dict[str, float]
    worst_worker: float
    switches: float
    transactions: float

    @property
    def fleet(self) -> float:
        """All processes of the fleet together."""
        return sum(self.by_kind.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    run_ns: int
    switches: int


def measured(made: stage.Stage, *, workers: int, threads: int, watched_s: float) -> list[Wait]:
    """One fleet with work, which is made to wait in each way."""
    found = []
    with stage.fleet_at_work(made, workers=workers, threads=threads, breaker=POLICY) as run:
        for state, begin, end in (
            (STATES[0], lambda: run.tripped(run.mode("503")), lambda: _reopened(run)),
            (STATES[1], lambda: _paused(run, True), lambda: _paused(run, False)),
            (STATES[2], lambda: _refused(run), lambda: None),
        ):
            begin()
            stage.pause(SETTLED_S)
            size = {"workers": workers, "threads": threads}
            found.append(watched(run.site, state, **size, watched_s=watched_s))
            end()
    return found


def idle(made: stage.Stage, *, workers: int, threads: int, watched_s: float) -> Wait:
    """A fleet whose queue is empty."""
    folder = made.folder / f"idle_{next(made.numbers)}"
    folder.mkdir()
    dsn = made.database("template0")
    postgres.migrate(dsn)
    site = fleet.Site(
        folder,
        dsn,
        made.api,
        fleet={"host": stage.LABEL, "workers": workers, "threads": threads},
        queue={"poll_s": 2},
    )
    with fleet.running(site):
        beating = "SELECT count(*) FROM fleet_workers WHERE state = 'running'"
        wait.until(lambda: site.value(beating) == workers, timeout_s=40, what="every worker")
        stage.pause(FLUSHED_S)
        size = {"workers": workers, "threads": threads}
        # Time that the machine's other guests took counts as ours: the calmest of three looks.
        looks = [watched(site, "an empty queue", **size, watched_s=watched_s) for _ in range(3)]
        return min(looks, key=lambda one: one.worst_worker)


def _reopened(run: stage.Run) -> None:
    run.mode("ok")
    for scope in ("", ":api", ":media"):
        with run.site.connect() as connection:
            connection.execute(
                "SELECT breaker_force(%s, 'reset', NULL, 'bench', 'next')", (stage.HOST + scope,)
            )
    run.flowing(since_ns=time.monotonic_ns())


def _paused(run: stage.Run, paused: bool) -> None:
    with run.site.connect() as connection:
        if paused:
            breaker_store.pause_fleet(connection, who="bench", reason="waiting", seconds=None)
            return
        breaker_store.resume_fleet(connection, who="bench", reason="next")
    run.flowing(since_ns=time.monotonic_ns())


def _refused(run: stage.Run) -> None:
    run.mode("401")
    stopped = "SELECT count(*) FROM breaker_state WHERE state = 'auth_stop'"
    wait.until(lambda: run.site.value(stopped) == 1, timeout_s=30, what="auth stop")


def watched(site: fleet.Site, state: str, *, workers: int, threads: int, watched_s: float) -> Wait:
    """What all processes of a fleet cost in so many seconds from now."""
    pids = _processes(site)
    before, commits, begun = _costs(pids), _commits(site), time.monotonic()
    stage.pause(watched_s)
    after, seconds = _costs(pids), time.monotonic() - begun
    more = _commits(site) - commits
    shares = {pid: (after[pid].run_ns - before[pid].run_ns) / seconds / 1e7 for pid in pids}
    by_kind: dict[str, float] = {}
    for pid, kind in pids.items():
        by_kind[kind] = by_kind.get(kind, 0.0) + shares[pid]
    return Wait(
        state=state,
        workers=workers,
        threads=threads,
        by_kind=by_kind,
        worst_worker=max(share for pid, share in shares.items() if pids[pid] == "workers"),
        switches=sum(after[pid].switches - before[pid].switches for pid in pids) / seconds,
        transactions=more / seconds,
    )


def _processes(site: fleet.Site) -> dict[int, str]:
    """The fleet's processes and what they are; the child that is no worker is the monitor."""
    supervisor = int(fleet.supervisor_file(site)["pid"])
    own = fleet.workers(site).values()
    children = {
        int(entry.name): "workers" if int(entry.name) in own else "monitor"
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and stage.parent(int(entry.name)) == supervisor
    }
    return {supervisor: "supervisor", **children}


def _costs(pids: dict[int, str]) -> dict[int, _Cost]:
    return {pid: _cost(Path(f"/proc/{pid}/task")) for pid in pids}


def _cost(tasks: Path) -> _Cost:
    run_ns = switches = 0
    for task in tasks.iterdir():
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            run_ns += int((task / "schedstat").read_text().split()[0])
            lines = (task / "status").read_text().splitlines()
            # Not those by which others got the core: they say how busy the machine is.
            switches += sum(int(line.split()[1]) for line in lines if line.startswith("voluntary"))
    return _Cost(run_ns=run_ns, switches=switches)


def _commits(site: fleet.Site) -> int:
    query = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    return int(site.value(query))


def queries_per_worker(few: Wait, many: Wait) -> float:
    """What each worker more adds to the transactions per second; the monitor's cancel out."""
    return (many.transactions - few.transactions) / (many.workers - few.workers)
