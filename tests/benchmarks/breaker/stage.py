"""The stage of every scenario: a database server, the outage server, the real fleet on both."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from noggin_mp.store import embedded
from tests.benchmarks.breaker import history, traffic
from tests.support import fleet, postgres, wait

HOST = "127.0.0.1"
"""The API's host, which is the name of the breaker's scopes."""
LABEL = "bench"
"""The fleet's own name, in place of the machine's."""
_FULL = "bench_full"
SERVER = {"track_commit_timestamp": "on", "max_connections": "200"}
# Counts what a TIP is charged, for a later success would wipe the count out.
_LEDGER = """
CREATE TABLE bench_charged (tip text, tries int, dead boolean, message text, at timestamptz);
CREATE FUNCTION bench_note_charge() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noggin_schema.bench_charged
    VALUES (NEW.tip, NEW.retry_count, NEW.permanently_failed, NEW.last_error_message,
            clock_timestamp());
    RETURN NULL;
END $$;
CREATE TRIGGER bench_note_charge AFTER UPDATE ON noggin_data FOR EACH ROW
    WHEN (NEW.retry_count > OLD.retry_count
          OR NEW.permanently_failed AND NOT OLD.permanently_failed)
    EXECUTE FUNCTION bench_note_charge();
"""


def pause(seconds: float) -> None:
    """Let the world go on for a while."""
    threading.Event().wait(seconds)


@dataclass(slots=True, kw_only=True)
class Stage:
    """What all scenarios share: the database server, the outage server with its log, the TIPs."""

    folder: Path
    dsn: str
    api: fleet.Simulator
    log: Path
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def state(self) -> Path:
        """The state folder of the database server."""
        return self.folder / "server"

    def database(self, template: str, name: str = "") -> str:
        """The DSN of a new database, a copy of `template`."""
        name = name or f"bench_{next(self.numbers)}"
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return conninfo.make_conninfo(self.dsn, dbname=name)

    def server_pids(self) -> list[int]:
        """The server's processes, its first one first."""
        status = embedded.status(self.state)
        assert status is not None and status.pid is not None
        found = [status.pid]
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and parent(int(entry.name)) == status.pid:
                found.append(int(entry.name))
        return found


def parent(pid: int) -> int:
    """The parent of a process, 0 when there is no such process."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text()
        return int(text.rpartition(")")[2].split()[1])
    return 0


@contextlib.contextmanager
def stage(*, tips: int, latency_ms: str = "20") -> Iterator[Stage]:
    """A stage with so many TIPs imported; everything is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="noggin_bench_"))
    folder.chmod(0o755)  # the server's account must be able to enter when we are root
    log = folder / "requests.log"
    options = ["--missing", "0", "--latency-ms", latency_ms, "--stall-s", "60", "--log", str(log)]
    try:
        dsn = embedded.ensure_running(folder / "server", settings=SERVER)
        with fleet.simulator(folder, tips=tips, options=options) as api:
            made = Stage(folder=folder, dsn=dsn, api=api, log=log)
            _fill(made)
            yield made
    finally:
        embedded.destroy(folder / "server")
        shutil.rmtree(folder, ignore_errors=True)


def _fill(made: Stage) -> None:
    dsn = made.database("template0", _FULL)
    postgres.migrate(dsn)
    site = fleet.Site(made.folder, dsn, made.api)
    site.ok("import", str(made.folder / "export.csv"))
    with site.connect() as connection:
        connection.execute(_LEDGER.encode())


class Run:
    """A fleet at work, and ways to meddle with its world."""

    def __init__(self, made: Stage, site: fleet.Site, watch: history.Watch, workers: int) -> None:
        self.stage = made
        self.site = site
        self.watch = watch
        self.workers = workers
        self.log = traffic.Log(made.log)
        self.supervisor: subprocess.Popen[bytes] | None = None

    def mode(self, mode: str, **more: object) -> int:
        """Switch the outage server; gives the time just before."""
        now = time.monotonic_ns()
        self.stage.api.control(body={"mode": mode, **more})
        return now

    def pid(self, slot: int) -> int:
        """The process of a slot, 0 when it has none."""
        return fleet.workers(self.site).get(slot, 0)

    def flowing(self, *, since_ns: int, timeout_s: float = 120, each: int = 1) -> None:
        """Wait until every worker has had so many honest answers to requests after `since_ns`."""

        def done() -> bool:
            answers = [one for one in self.log.read() if one.ok and one.start_ns > since_ns]
            counts: dict[str, int] = {}
            for one in answers:
                counts[one.worker] = counts.get(one.worker, 0) + 1
            return len(counts) >= self.workers and min(counts.values()) >= each

        wait.until(done, timeout_s=timeout_s, every_s=0.1, what="every worker at work")

    def tripped(self, since_ns: int, *, timeout_s: float = 120) -> history.Note:
        """Wait for the trip of the record scope."""
        return self.watch.until(
            lambda row: row["scope"] == f"{HOST}:api" and row["state"] == "open",
            since_ns=since_ns,
            timeout_s=timeout_s,
            what="trip",
        )

    def closed(self, since_ns: int, *, timeout_s: float = 120) -> history.Note:
        """Wait for the closing of the record scope."""
        return self.watch.until(
            lambda row: row["scope"] == f"{HOST}:api" and row["state"] == "closed",
            since_ns=since_ns,
            timeout_s=timeout_s,
            what="closing",
        )

    def force(self, verb: str, seconds: float | None, reason: str) -> None:
        """What `breaker open` and `breaker close` do, without the start of a program."""
        with self.site.connect() as connection:
            connection.execute(
                "SELECT breaker_force(%s, %s, %s, 'bench', %s)", (HOST, verb, seconds, reason)
            )

    def charged(self) -> list[tuple[str, int, bool, str]]:
        """Every charge so far: TIP, tries, dead, message."""
        with self.site.connect() as connection:
            return connection.execute(
                "SELECT tip, tries, dead, message FROM bench_charged ORDER BY at"
            ).fetchall()

    def left(self) -> int:
        """How many TIPs are not done."""
        query = "SELECT count(*) FROM noggin_data WHERE processing_status <> 'complete'"
        return int(self.site.value(query))


@contextlib.contextmanager
def fleet_at_work(
    made: Stage,
    *,
    workers: int,
    threads: int = 1,
    breaker: Mapping[str, Any],
    read_timeout_s: float = 8,
    through: Callable[[str], str] = str,
) -> Iterator[Run]:
    """The real fleet on a database of its own, every worker of it at work.

    `through` makes of the database's DSN the one the fleet uses.
    """
    folder = made.folder / f"run_{next(made.numbers)}"
    folder.mkdir()
    own = made.database(_FULL)
    postgres.migrate(own)  # a copy lacks the database's own settings
    site = fleet.Site(
        folder,
        through(own),
        made.api,
        fleet={"host": LABEL, "workers": workers, "threads": threads},
        breaker={"defaults": dict(breaker)},
    )
    site.settings["api"]["read_timeout_s"] = read_timeout_s
    site.write()
    site.dsn = own
    made.api.control(body={"mode": "ok"})
    began = time.monotonic_ns()
    with history.Watch(site) as watch, fleet.running(site) as process:
        run = Run(made, site, watch, workers)
        run.supervisor = process
        run.flowing(since_ns=began, each=3)
        try:
            yield run
        finally:
            made.api.control(body={"mode": "ok"})
            for pid in fleet.workers(site).values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
    shutil.rmtree(folder, ignore_errors=True)
