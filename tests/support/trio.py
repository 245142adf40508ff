"""Three hosts behind links of their own, one database, one API, one shared output folder."""

import contextlib
import os
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support import fleet, hosts, islands, skew, truth, wait

NAMES = ("ann", "bob", "cyd")
SKEWED = "cyd"
HOURS = 5.0
LEASE_S = 12.0
WORK = (
    "--types",
    "TA,CCC",
    "--missing",
    "0",
    "--latency-ms",
    "100-200",
    "--host",
    islands.MAINLAND,
)
DATABASE_PORT = 5432
NOTE_CHARGES = """
CREATE TABLE charges (tip text, message text);
CREATE FUNCTION note_charges() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO noggin_schema.charges VALUES (NEW.tip, NEW.last_error_message);
    RETURN NULL;
END $$;
CREATE TRIGGER note_charges AFTER UPDATE ON noggin_data
    FOR EACH ROW WHEN (NEW.retry_count > OLD.retry_count) EXECUTE FUNCTION note_charges();
"""


@dataclass(kw_only=True)
class Host:
    """One host: its installation, and its supervisor while it runs."""

    site: islands.Site
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def name(self) -> str:
        """Its name in the fleet."""
        return str(self.site.settings["fleet"]["host"])

    def start(self) -> None:
        """Start its fleet."""
        self.process = self.site.start("run")

    def kill(self) -> None:
        """End every process of the host at once, as a power cut does."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(60)
        wait.until(lambda: not self.site.island.processes(), what="nobody is left there")

    def freeze(self) -> None:
        """Stop every process of the host where it stands; its kernel goes on."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.site.island.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> int:
        """End its fleet as systemd does; gives the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(120)


@dataclass(kw_only=True)
class Trio:
    """The hosts by name, and a desk at home from which one looks at them."""

    hosts: dict[str, Host]
    desk: fleet.Site
    api: fleet.Simulator
    tips: int

    @property
    def api_port(self) -> int:
        """Where the API listens."""
        return urllib.parse.urlsplit(self.api.base_url).port or 0

    def leader(self) -> str | None:
        """The host whose session holds the leader's lock, as the database knows it."""
        found: str | None = self.desk.value(
            "SELECT split_part(a.application_name, '/', 2) FROM pg_locks l"
            " JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
            " AND a.application_name LIKE '%/monitor/maintenance'"
        )
        return found

    def states(self) -> dict[str, str]:
        """How each host is, as `fleet status` says."""
        with self.desk.connect() as connection:
            return dict(connection.execute("SELECT host, state FROM fleet_overview").fetchall())

    def all_beat(self, *, timeout_s: float = 120) -> None:
        """Wait until every worker of all hosts is heard."""
        expected = sum(one.site.settings["fleet"]["workers"] for one in self.hosts.values())
        hosts.until(
            lambda: hosts.beating(self.desk) == expected, timeout_s=timeout_s, what="all beat"
        )

    def settled_by(self, *names: str) -> int:
        """How many TIPs these hosts have brought to their end."""
        with self.desk.connect() as connection:
            row = connection.execute(
                "SELECT count(*) FROM noggin_data WHERE processing_status = 'complete'"
                " AND split_part(worker_id, '/', 1) = ANY (%s)",
                (list(names),),
            ).fetchone()
        return int(row[0]) if row else 0

    def goes_on(self, *names: str, more: int = 20, timeout_s: float = 120) -> None:
        """Wait until these hosts have brought so many more TIPs to their end, or all are there."""
        before = self.settled_by(*names)
        hosts.until(
            lambda: self.settled_by(*names) >= before + more or hosts.done(self.desk) == self.tips,
            timeout_s=timeout_s,
            what=f"{names} go on",
        )

    def finish(self, *, timeout_s: float = 240) -> None:
        """Wait until all is done, then look at everything. Raises: AssertionError."""
        hosts.until(
            lambda: hosts.done(self.desk) == self.tips,
            timeout_s=timeout_s,
            what="all TIPs are done",
        )
        hosts.until(lambda: self.desk.value("SELECT count(*) FROM lease") == 0, what="no lease")
        for host in self.hosts.values():
            assert host.stop() == 0, host.site.log[-3000:]
        truth.check_done(self.desk, tips=self.tips)
        with self.desk.connect() as connection:
            charges = connection.execute("SELECT tip, message FROM charges").fetchall()
        assert charges == [], charges
        writers = "SELECT array_agg(DISTINCT host ORDER BY host) FROM attachments"
        assert set(self.desk.value(writers) or ()) <= set(self.hosts)


@contextlib.contextmanager
def world(folder: Path, *, tips: int, hours: float = HOURS) -> Iterator[Trio]:
    """All three at work, each settlement counted; the third lives hours ahead, where it can."""
    with (
        islands.archipelago(len(NAMES)) as shores,
        islands.database() as dsn,
        fleet.simulator(folder, tips=tips, options=WORK) as api,
    ):
        shared = folder / "shared"
        settings = {
            "fleet": {"workers": 2, "threads": 4, "grace_s": 10},
            "queue": {"lease_s": LEASE_S},
            "paths": {"output": str(shared)},
        }
        made = {
            name: Host(site=islands.site(shore, folder, dsn, api, name, **settings))
            for shore, name in zip(shores, NAMES, strict=True)
        }
        for host in made.values():  # one that is cut off from the API learns of it sooner
            host.site.settings["api"] |= {"connect_timeout_s": 4, "read_timeout_s": 4}
            host.site.write()
        if skew.library() is not None:
            made[SKEWED].site.before = skew.environment(hours)
        desk = hosts.site(folder, dsn, api, "desk", paths={"output": str(shared)})
        desk.output = shared
        desk.ok("import", str(folder / "export.csv"))
        with desk.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
            connection.execute(NOTE_CHARGES)
        trio = Trio(hosts=made, desk=desk, api=api, tips=tips)
        try:
            for host in made.values():
                host.start()
            trio.all_beat()
            yield trio
        finally:
            for host in made.values():
                host.kill()
