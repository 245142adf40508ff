"""What the doctor asks the database: reach, version, room, schema, pooler, LISTEN, locks, clock."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg

from noggin_mp.cli.findings import Check, Verdict, failed, ok, skipped, warning
from noggin_mp.domain import agreement, errors
from noggin_mp.settings import shared
from noggin_mp.settings.schema import Settings
from noggin_mp.store import (
    checkup,
    dsn,
    embedded,
    fleet,
    pooler,
    queue,
    records,
    reports,
    schema,
    session,
)
from noggin_mp.supervisor import pidfile

OLDEST_POSTGRES: Final = 15
CLOCK_S: Final = 2.0
"""Two clocks that differ by more deserve a word."""
_UNREACHABLE: Final = errors.DatabaseUnreachable.exit_code
_CONFIG: Final = errors.ConfigError.exit_code
_TIMEOUT_S: Final = 4
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_HEARD_S: Final = 2.0
_SLOW_S: Final = 0.02
_PER_WORKER, _OTHERS = 4, 6
"""Sessions. Source: docs/how-to/run-against-your-database.md, and room for a few commands."""


class Doctor:
    """Checks of one database; the later ones are skipped when it cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._dsn: str | None = None
        self._usable = False
        self.subject: records.Subject | None = None
        """A record that the API must know, when the database has one."""

    def checks(self) -> list[Check]:
        """The checks in their order: the first ones say whether the others can be tried."""
        return [
            Check(name=name, look=look, late_code=_UNREACHABLE)
            for name, look in (
                ("database", self._reach),
                ("pooler", self._pooler),
                ("schema", self._schema),
                ("host name", self._host),
                ("policies", self._policies),
                ("notify", self._notify),
                ("locks", self._locks),
                ("clock", self._clock),
            )
        ]

    def _reach(self) -> Iterator[Verdict]:
        settings = self._settings
        where = settings.database.dsn.strip()
        if not where:
            found = embedded.status(settings.paths.state)
            if found is None or not found.running:
                yield warning("the embedded server is not running", "run noggin-mp db start")
                return
        self._dsn = dsn.resolve(where, settings.paths.state, start=False)
        with self._session() as connection:
            looked = checkup.clock(connection)
            version = session.server_version(connection)
            trip_s = 2 * looked.doubt_s
            said = f"Postgres {version} at {session.place(self._dsn)}, {trip_s * 1000:.1f} ms away"
            if connection.info.server_version // 10_000 < OLDEST_POSTGRES:
                yield failed(said, f"use Postgres {OLDEST_POSTGRES} or newer", _CONFIG)
            elif checkup.is_read_only(connection):
                yield failed(f"{said}, takes no writes", session.READ_ONLY_REMEDY, _UNREACHABLE)
                return
            elif trip_s > _SLOW_S:
                yield warning(said, "move the fleet nearer to it: each TIP takes a few round trips")
            else:
                yield ok(said)
            self._usable = True
            room = checkup.room(connection)
        need = _PER_WORKER * settings.fleet.workers + _OTHERS
        said = f"{room.most} sessions, {room.others} by other programs, this host takes {need}"
        if room.most - room.others < need:
            yield warning(said, "raise max_connections, or run fewer workers")
        else:
            yield ok(said)

    def _pooler(self) -> Iterator[Verdict]:
        if not self._usable:
            yield _no_database()
            return
        with self._session() as connection:
            try:
                pooler.check(connection)
            except errors.ConfigError:
                self._usable = False  # what follows would tell the same in other words
                raise
            behind = connection.info.backend_pid != _backend(connection)
        yield ok("a pooler that keeps sessions" if behind else "none, a direct connection")

    def _schema(self) -> Iterator[Verdict]:
        if not self._usable:
            yield _no_database()
            return
        name = self._settings.database.schema_name
        with self._session() as connection:
            version = schema.version(connection, name)
            if version == 0:
                yield warning(
                    f"database {connection.info.dbname} has no tables yet",
                    "run noggin-mp db migrate, or just run: it makes them",
                )
                return
            schema.check(connection, name)
            self.subject = records.known_good(connection)
        yield ok(f"{name} at version {version}, this program's")

    def _host(self) -> Iterator[Verdict]:
        """Two installations under one name would return each other's leases."""
        if not self._usable:
            yield _no_database()
            return
        host = self._settings.fleet.host
        holder = queue.Holder(
            host=host, slot=0, instance=_instance(self._settings.paths.state), boot=0
        )
        with self._session() as connection:
            try:
                fleet.refuse_second_instance(connection, holder=holder)
            except psycopg.errors.UndefinedTable:
                yield ok(f"{host}, the first one here")
                return
        yield ok(f"{host}, not in use by another installation")

    def _policies(self) -> Iterator[Verdict]:
        """This host's as it goes by them, or as it would once it is started, and the others'."""
        if not self._usable:
            yield _no_database()
            return
        settings = self._settings
        with self._session() as connection:
            try:
                told = reports.policies(connection)
            except psycopg.errors.UndefinedTable:
                told = {}
        differing = agreement.differences({settings.fleet.host: shared.told(settings), **told})
        others = len(told.keys() - {settings.fleet.host})
        if differing:
            yield warning(agreement.sentence(differing), agreement.REMEDY)
        elif others:
            yield ok(f"breaker and pacing as on the other hosts at work ({others})")
        else:
            yield ok("no other host is at work")

    def _notify(self) -> Iterator[Verdict]:
        if not self._usable:
            yield _no_database()
            return
        with self._session() as listener, self._session() as speaker:
            took_s = checkup.heard_after_s(listener, speaker, within_s=_HEARD_S)
        if took_s is None:
            yield failed(
                f"a NOTIFY was not heard within {_HEARD_S:g} s",
                "give database.dsn a direct connection, or a pooler in session mode",
                _CONFIG,
            )
        else:
            yield ok(f"heard after {took_s * 1000:.1f} ms")

    def _locks(self) -> Iterator[Verdict]:
        if not self._usable:
            yield _no_database()
            return
        with self._session() as one, self._session() as other:
            held = checkup.locks_hold(one, other)
        if held:
            yield ok("advisory locks hold between sessions")
        else:
            yield failed(
                "advisory locks do not hold between sessions",
                "give database.dsn a direct connection, or a pooler in session mode",
                _CONFIG,
            )

    def _clock(self) -> Iterator[Verdict]:
        if not self._usable:
            yield _no_database()
            return
        with self._session() as connection:
            looked = checkup.clock(connection)
        yield clock("the database's", looked.ahead_s, looked.doubt_s)

    def _session(self) -> session.Connection:
        assert self._dsn is not None
        return session.connect(
            self._dsn,
            schema=self._settings.database.schema_name,
            application_name="noggin-mp/doctor",
            statement_timeout_s=_TIMEOUT_S,
            connect_timeout_s=_TIMEOUT_S,
        )


def clock(whose: str, ahead_s: float, doubt_s: float) -> Verdict:
    """What to say of a clock that is `ahead_s` before ours (behind when negative)."""
    if abs(ahead_s) - doubt_s <= CLOCK_S:
        return ok(f"{whose} is within {max(abs(ahead_s), doubt_s):.1f} s of this host's")
    way = "ahead of" if ahead_s > 0 else "behind"
    return warning(
        f"{whose} is {abs(ahead_s):,.0f} s {way} this host's",
        "let both take their time from NTP: timedatectl set-ntp true",
    )


def _no_database() -> Verdict:
    return skipped("without the database")


def _backend(connection: session.Connection) -> int:
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    return int(row[0])


def _instance(state: Path) -> str:
    """The state folder's identity; nobody's when it has none yet, for nothing is made here."""
    try:
        return (state / pidfile.INSTANCE_FILE).read_text().strip()
    except OSError:
        return _NOBODY
