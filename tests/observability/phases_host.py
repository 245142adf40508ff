"""Phases in which processes, the disk, the database or people are the trouble."""

import contextlib
import os
import signal
from collections.abc import Iterator

import psycopg
from psycopg import conninfo, sql

from tests.observability.stage import Stage
from tests.support import fleet, wait


@contextlib.contextmanager
def rate_limit(stage: Stage) -> Iterator[None]:
    """A reload that limits the fleet to ten requests per second, and one that takes it back."""
    stage.site.settings["pacing"] = {"defaults": {"rate": "10/s"}}
    stage.site.write()
    stage.hup()
    try:
        stage.feed()
        yield
    finally:
        del stage.site.settings["pacing"]
        stage.site.write()
        stage.hup()


@contextlib.contextmanager
def stopped_workers(stage: Stage) -> Iterator[None]:
    """All workers are frozen while TIPs are ready."""
    stage.idle()
    frozen = list(stage.workers().values())
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        stage.feed()
        yield
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def growing(stage: Stage) -> Iterator[None]:
    """Imports come in while people have paused the fleet."""
    stage.site.ok("fleet", "pause", "--for", "10m", "--reason", "a test")
    try:
        with stage.feeding():
            yield
    finally:
        stage.site.ok("fleet", "resume")


@contextlib.contextmanager
def killed_worker(stage: Stage) -> Iterator[None]:
    """A worker is killed while it holds leases."""
    stage.feed()
    wait.until(lambda: stage.site.value("SELECT count(*) FROM lease") > 0, what="leases")
    os.kill(stage.workers()[0], signal.SIGKILL)
    yield


@contextlib.contextmanager
def crashing_worker(stage: Stage) -> Iterator[None]:
    """One slot's worker dies again and again, until the slot is parked."""

    def state() -> str:
        slots = fleet.supervisor_file(stage.site).get("slots", [])
        return str(next((one["state"] for one in slots if one["slot"] == 0), ""))

    def dead() -> bool:
        with contextlib.suppress(KeyError, ProcessLookupError):
            os.kill(stage.workers()[0], signal.SIGKILL)
        return state() == "parked"

    wait.until(dead, timeout_s=60, every_s=0.1, what="a parked slot")
    yield
    stage.hup()
    wait.until(lambda: 0 in stage.workers(), timeout_s=30, what="the slot's new start")


@contextlib.contextmanager
def full_disk(stage: Stage) -> Iterator[None]:
    """The output folder's file system fills up to 95 %."""
    ballast = stage.site.output / "ballast"
    room = os.statvfs(stage.site.output)
    used = (room.f_blocks - room.f_bavail) * room.f_frsize
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, int(room.f_blocks * room.f_frsize * 0.95) - used)
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def stalled_import(stage: Stage) -> Iterator[None]:
    """The books say that an import began ten minutes ago and has not moved since."""
    with stage.site.connect() as connection:
        connection.execute(
            "INSERT INTO sources (filename, sha256, status, progress_at)"
            " VALUES ('stalled.csv', 'none', 'loading', now() - interval '10 minutes')"
        )
    try:
        yield
    finally:
        with stage.site.connect() as connection:
            connection.execute("DELETE FROM sources WHERE filename = 'stalled.csv'")


@contextlib.contextmanager
def forgotten_names(stage: Stage) -> Iterator[None]:
    """The names of all teams are unknown, and new records name teams."""
    with stage.site.connect() as connection:
        connection.execute("DELETE FROM entity_hashes WHERE entity_type = 'team'")
    stage.feed(2)
    yield


@contextlib.contextmanager
def old_transaction(stage: Stage) -> Iterator[None]:
    """Somebody left a transaction open."""
    with psycopg.connect(stage.site.dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM pg_class")
        yield


@contextlib.contextmanager
def refused_reload(stage: Stage) -> Iterator[None]:
    """The configuration has a fault when it is read again."""
    good = stage.site.config.read_text()
    stage.site.config.write_text("fleet:\n  workers: many\n")
    stage.hup()
    try:
        yield
    finally:
        stage.site.config.write_text(good)
        stage.hup()


@contextlib.contextmanager
def silent_host(stage: Stage) -> Iterator[None]:
    """Another host of the fleet gave its last sign of life half a minute ago."""
    with stage.site.connect() as connection:
        connection.execute(
            "INSERT INTO fleet_hosts (host, instance, started_at, heartbeat_at)"
            " VALUES ('elsewhere', gen_random_uuid(), now(), now() - interval '30 seconds')"
        )
    try:
        yield
    finally:
        with stage.site.connect() as connection:
            connection.execute("DELETE FROM fleet_hosts WHERE host = 'elsewhere'")


@contextlib.contextmanager
def no_database(stage: Stage) -> Iterator[None]:
    """The database lets nobody in, and has put everybody out."""
    name = sql.Identifier(str(conninfo.conninfo_to_dict(stage.site.dsn)["dbname"]))
    maintenance = conninfo.make_conninfo(stage.site.dsn, dbname="postgres")
    allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
    with psycopg.connect(maintenance, autocommit=True) as admin:
        admin.execute(allow.format(name, sql.SQL("false")))
        try:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (conninfo.conninfo_to_dict(stage.site.dsn)["dbname"],),
            )
            yield
        finally:
            admin.execute(allow.format(name, sql.SQL("true")))
    wait.until(lambda: stage.pages.status("/readyz") == 200, timeout_s=60, what="the database")


@contextlib.contextmanager
def nothing_to_do(stage: Stage) -> Iterator[None]:
    """No export comes in any more."""
    stage.idle()
    yield


@contextlib.contextmanager
def stopped_fleet(stage: Stage) -> Iterator[None]:
    """The fleet is stopped, and not started again."""
    stage.process.send_signal(signal.SIGTERM)
    stage.process.wait(60)
    yield
