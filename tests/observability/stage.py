"""The stage: a fleet against the simulator, watched by a real Prometheus, phase after phase."""

import base64
import contextlib
import csv
import itertools
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noggin_mp.simulator import data, entities
from noggin_mp.supervisor import holdings
from tests.observability import servers
from tests.support import fleet, scrape, wait

DAY_S = 86_400
OUTPUT_BYTES = 256 * 1024**2
FEED_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A phase as it was: when it began and ended, which alerts it was for, and when they fired."""

    name: str
    start: float
    end: float
    wanted: frozenset[str]
    fired_after_s: dict[str, float]
    fired: frozenset[str]


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything a phase may touch."""

    folder: Path
    site: fleet.Site
    api: fleet.Simulator
    process: "subprocess.Popen[bytes]"
    pages: scrape.Pages
    prometheus: servers.Prometheus
    alertmanager: servers.Alertmanager
    chunks: Iterator[Path]
    mounted: bool
    began: float = field(default_factory=time.time)
    marks: list[Mark] = field(default_factory=list)
    tokens: Iterator[int] = field(default_factory=itertools.count)

    # --- work

    def feed(self, chunks: int = 1) -> None:
        """Import so many further chunks of the export."""
        self.site.ok("import", *(str(next(self.chunks)) for _ in range(chunks)))

    @contextlib.contextmanager
    def feeding(self) -> Iterator[None]:
        """A chunk every second or so, until the block ends."""
        over = threading.Event()
        troubles: list[BaseException] = []

        def run() -> None:
            try:
                while not over.wait(FEED_EVERY_S):
                    self.feed()
            except (AssertionError, StopIteration, OSError) as error:
                troubles.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if troubles:
            raise AssertionError("feeding failed") from troubles[0]

    def idle(self, timeout_s: float = 180) -> None:
        """Wait until nothing is left to do, and Prometheus has seen all of it."""
        left = "SELECT (SELECT count(*) FROM ready) + (SELECT count(*) FROM later)" \
               " + (SELECT count(*) FROM lease)"  # fmt: skip
        wait.until(
            lambda: self.site.value(left) == 0, timeout_s=timeout_s, every_s=0.2, what="no work"
        )
        self.seen(timeout_s=60)

    def seen(self, timeout_s: float) -> None:
        """Wait for a scrape and an evaluation of the rules that began after now."""
        now = time.time()
        expression = 'min(timestamp(up{job="noggin_mp"}))'
        wait.until(
            lambda: any(t > now + 1 for t in self.prometheus.vector(expression).values()),
            timeout_s=timeout_s, every_s=0.2, what="a scrape",
        )  # fmt: skip

    # --- the fleet

    def hup(self) -> None:
        """Have the configuration read again."""
        self.process.send_signal(signal.SIGHUP)

    def workers(self) -> dict[int, int]:
        """The living workers: slot -> process id."""
        return fleet.workers(self.site)

    def breaker(self, *states: str) -> bool:
        """True when some scope is in one of the states."""
        with self.site.connect() as connection:
            found = connection.execute("SELECT state FROM breaker_state").fetchall()
        return any(state in states for (state,) in found)

    def token(self, days: float) -> str:
        """A new token that the API takes and that says when it expires; not given to the fleet."""
        made = jwt(days, next(self.tokens))
        self.api.control("", {"token": made})
        return made

    def give(self, token: str) -> None:
        """Put a token where the fleet looks for it."""
        write_token(self.folder, token)


def jwt(days: float, number: int) -> str:
    """A token of the common form that expires in so many days."""

    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    claims = {"exp": int(time.time() + days * DAY_S), "n": number}
    return f"{part({'alg': 'HS256'})}.{part(claims)}.{'s' * 20}"


def write_token(folder: Path, token: str) -> None:
    """Replace the token's file in one step."""
    fresh = folder / "token.new"
    fresh.touch(mode=0o600)
    fresh.write_text(token)
    fresh.rename(folder / "token")


@contextlib.contextmanager
def ready(
    folder: Path, dsn: str, *, tips: int, chunk: int, latency_ms: int, mount: bool = False
) -> Iterator[Stage]:
    """A stage with a running fleet of two workers, its queue empty and all names known.

    With `mount` the output folder is a small file system of its own, where root may make one.
    """
    with contextlib.ExitStack() as stack:
        options = ["--latency-ms", str(latency_ms), "--seed", "1"]
        api = stack.enter_context(fleet.simulator(folder, tips=tips, options=options))
        first = jwt(30, -1)
        api.control("", {"token": first})
        write_token(folder, first)
        site = fleet.Site(
            folder, dsn, api,
            monitor={"bind": "127.0.0.1:0"},
            breaker={"defaults": {"fail_max": 12, "open_duration_s": 1, "open_multiplier": 1,
                                  "recovery_ramp_s": 1, "pause_default_s": 1}},
            retry={"max_attempts": 12, "backoff_base_s": 0.2, "max_s": 1},
            queue={"lease_s": 60, "poll_s": 0.5, "batch": 8},
            log={"format": "json"},
        )  # fmt: skip
        site.settings["api"].pop("token")
        site.settings["api"]["token_file"] = str(folder / "token")
        site.write()
        mounted = mount and _mounted(site.output, stack)
        _names(site, folder, tips)
        metrics = holdings.metrics_folder(folder / "state")
        stack.callback(lambda: subprocess.run(["rm", "-rf", str(metrics)], check=False))
        process = stack.enter_context(fleet.running(site, "--workers", "2", "--threads", "4"))
        pages = _pages(site)
        prometheus, alertmanager = stack.enter_context(
            servers.both(folder / "prometheus", pages.address)
        )
        wait.until(lambda: len(fleet.workers(site)) == 2, timeout_s=90, what="both workers")
        # Prometheus takes some seconds to find its target, and calls it absent until then.
        wait.until(
            lambda: prometheus.vector("up == 1") and not prometheus.vector("ALERTS"),
            timeout_s=90, every_s=0.2, what="a first scrape",
        )  # fmt: skip
        yield Stage(
            folder=folder, site=site, api=api, process=process, pages=pages,
            prometheus=prometheus, alertmanager=alertmanager,
            chunks=_chunks(folder, chunk), mounted=mounted,
        )  # fmt: skip


def _pages(site: fleet.Site) -> scrape.Pages:
    """The pages of the site's monitor, at the port that it was given, once it answers."""
    address = wait.until(
        lambda: fleet.supervisor_file(site).get("listening"), timeout_s=90, what="a listener"
    )
    pages = scrape.Pages(str(address))
    wait.until(lambda: pages.status("/readyz") == 200, timeout_s=90, what="a ready monitor")
    return pages


def _mounted(output: Path, stack: contextlib.ExitStack) -> bool:
    """Make the output folder a file system of its own; False where that cannot be."""
    if os.geteuid() != 0:
        return False
    output.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={OUTPUT_BYTES}", "tmpfs", str(output)]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        return False
    stack.callback(lambda: subprocess.run(["umount", "-l", str(output)], check=False))
    return True


def _names(site: fleet.Site, folder: Path, tips: int) -> None:
    """Tell every name there is, so that no hash is unknown."""
    site.ok("db", "migrate")
    world = data.World(seed=1, tips=tips)
    with site.connect() as connection, connection.cursor() as cursor:
        for kind in entities.KINDS:
            cursor.executemany(
                "INSERT INTO entity_hashes (hash_value, entity_type, entity_name, source)"
                " VALUES (%s, %s, %s, 'tests') ON CONFLICT DO NOTHING",
                [(one.hash, kind, one.name) for one in world.entities.of(kind)],
            )


def _chunks(folder: Path, rows: int) -> Iterator[Path]:
    """The export in files of so many rows each."""
    with (folder / "export.csv").open(encoding="utf-8-sig", newline="") as export:
        reader = csv.reader(export)
        head = next(reader)
        content = [row for row in reader if any(row)]
    for number, batch in enumerate(_cut(content, rows)):
        path = folder / f"chunk_{number:04d}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([head, *batch])
        yield path


def _cut(rows: list[list[str]], size: int) -> Iterator[list[list[str]]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
