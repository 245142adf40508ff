"""The breaker's row and votes in Postgres: one call per step of the protocol."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types import json

from noggin_mp.domain import breaker, errors
from noggin_mp.store import session, statements

CHANNEL: Final = "noggin_breaker"
"""What listeners LISTEN to; the payload is the JSON of one row's view."""

Row = dict[str, Any]


class Unreachable(errors.DatabaseUnreachable):
    """A step of the breaker's protocol did not reach the database, or its end is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Outcomes of one worker and scope since it last told the database.

    `ok_age_s` is how long ago the newest request that succeeded was begun, None when none did.
    """

    ok: int = 0
    failed: int = 0
    slow: int = 0
    ok_age_s: float | None = None


class Probe:
    """The right to send the one trial request of a scope; holds the session that proves it."""

    def __init__(self, store: "Store", connection: session.Connection, row: Row) -> None:
        self._store = store
        self._connection = connection
        self.row = row

    def done(
        self, *, result: str, fingerprint: str, tip: str, reason: str, policy: breaker.Policy
    ) -> Row:
        """Give the right back with the trial's result: success, failure, refused, inconclusive.

        Raises: Unreachable, in which case the session is gone and its lock with it, and the lease
        runs out by itself.
        """
        parameters = {
            "scope": self.row["scope"],
            "worker": self._store.worker,
            "epoch": self.row["epoch"],
            "result": result,
            "fingerprint": fingerprint,
            "tip": tip,
            "reason": reason,
            "policy": json.Jsonb(policy.as_dict()),
        }
        kept = False
        try:
            with _translated():
                row = _one(self._connection, "breaker_probe_done", parameters)
                kept = True
                return row
        finally:
            if not kept:
                # Whatever is wrong with it, its lock must not outlive the trial.
                self._connection.close()
            self._store.pool.putconn(self._connection)


class Store:
    """The protocol as one worker speaks it, over its pool; every method may raise Unreachable."""

    def __init__(self, pool: session.Pool, *, worker: str, timeout_s: float = 5.0) -> None:
        self.pool = pool
        self.worker = worker
        self._timeout_s = timeout_s

    def report(
        self,
        *,
        scope: str,
        epoch: int,
        tip: str,
        reason: str,
        tally: Tally,
        policy: breaker.Policy,
    ) -> Row:
        """A failure, with what else is not told yet; the row, and `charge`: who pays for it."""
        return self._call(
            "breaker_report",
            scope=scope,
            epoch=epoch,
            tip=tip,
            reason=reason,
            ok=tally.ok,
            failed=tally.failed,
            slow=tally.slow,
            ok_age_s=tally.ok_age_s,
            policy=json.Jsonb(policy.as_dict()),
        )

    def recovered(self, *, scope: str, epoch: int, tally: Tally, policy: breaker.Policy) -> None:
        """The note that this worker's streak has ended."""
        self._call(
            "breaker_recovered",
            scope=scope,
            epoch=epoch,
            ok=tally.ok,
            slow=tally.slow,
            ok_age_s=tally.ok_age_s,
            policy=json.Jsonb(policy.as_dict()),
        )

    def pause(self, *, scope: str, seconds: float, tip: str, reason: str) -> Row:
        """Everybody waits so long from now; never shortens a pause."""
        return self._call("breaker_pause", scope=scope, seconds=seconds, tip=tip, reason=reason)

    def auth_stop(self, *, scope: str, epoch: int, fingerprint: str, tip: str, reason: str) -> Row:
        """Everybody stops until the token with this fingerprint is replaced, or a person acts."""
        return self._call(
            "breaker_auth_stop",
            scope=scope,
            epoch=epoch,
            fingerprint=fingerprint,
            tip=tip,
            reason=reason,
        )

    def forbidden(
        self, *, scope: str, epoch: int, fingerprint: str, tip: str, ok_age_s: float | None
    ) -> Row:
        """A 403; many in a row stop everybody until the token was tried on a known-good record."""
        return self._call(
            "breaker_forbidden",
            scope=scope,
            epoch=epoch,
            fingerprint=fingerprint,
            tip=tip,
            ok_age_s=ok_age_s,
        )

    def try_probe(
        self, *, scope: str, fingerprint: str, policy: breaker.Policy
    ) -> tuple[Row, Probe | None]:
        """The row, and the right to probe when nobody else in the fleet has it."""
        connection = self._borrow()
        kept = False
        try:
            with _translated():
                row = _one(
                    connection,
                    "breaker_try_probe",
                    {
                        "scope": scope,
                        "worker": self.worker,
                        "fingerprint": fingerprint,
                        "policy": json.Jsonb(policy.as_dict()),
                    },
                )
            kept = True
        finally:
            if not kept:
                connection.close()
                self.pool.putconn(connection)
        if row["granted"]:
            return row, Probe(self, connection, row)
        self.pool.putconn(connection)
        return row, None

    def _call(self, name: str, **parameters: Any) -> Row:
        with _translated(), self.pool.connection(timeout=self._timeout_s) as connection:
            return _one(connection, name, {"worker": self.worker, **parameters})

    def _borrow(self) -> session.Connection:
        with _translated():
            return self.pool.getconn(timeout=self._timeout_s)


def beat(
    connection: session.Connection,
    *,
    host: str,
    slot: int,
    instance: str,
    boot: int,
    pid: int,
    state: str,
    busy: int,
    tip: str | None,
    votes: list[dict[str, Any]] | None = None,
) -> Row:
    """One heartbeat of a worker, with its votes; what its gate must know comes back.

    Keys: now, paused, pause_reason, head, suspects, scopes (for `Gate.on_beat`).
    """
    return _one(
        connection,
        "beat",
        {
            "host": host,
            "slot": slot,
            "instance": instance,
            "boot": boot,
            "pid": pid,
            "state": state,
            "busy": busy,
            "tip": tip,
            "votes": json.Jsonb(votes) if votes else None,
        },
    )


def show(connection: session.Connection) -> list[Row]:
    """Every scope as it is now: scope, state, until, remaining_s, reason, epoch, open_count..."""
    return _all(connection, "breaker_show", {})


def force(
    connection: session.Connection,
    *,
    scope: str,
    verb: str,
    who: str,
    reason: str,
    seconds: float | None = None,
) -> Row:
    """A person's act on a scope: verb open (for `seconds`, None = until closed), close or reset."""
    return _one(
        connection,
        "breaker_force",
        {"scope": scope, "verb": verb, "seconds": seconds, "who": who, "reason": reason},
    )


def pause_fleet(
    connection: session.Connection, *, who: str, reason: str, seconds: float | None
) -> Row:
    """Stop the whole fleet for `seconds`, None = until it is resumed."""
    return _one(
        connection,
        "fleet_pause",
        {"paused": True, "seconds": seconds, "who": who, "reason": reason},
    )


def resume_fleet(connection: session.Connection, *, who: str, reason: str) -> Row:
    """End the whole fleet's pause."""
    return _one(
        connection,
        "fleet_pause",
        {"paused": False, "seconds": None, "who": who, "reason": reason},
    )


def fleet(connection: session.Connection) -> Row:
    """Hosts, workers and the pause of the whole fleet: keys hosts, workers, pause."""
    [pause] = _all(connection, "fleet_control", {})
    return {
        "hosts": _all(connection, "fleet_hosts", {}),
        "workers": _all(connection, "fleet_workers", {}),
        "pause": pause,
    }


def _one(connection: session.Connection, name: str, parameters: dict[str, Any]) -> Row:
    found = connection.execute(statements.statement(name), parameters).fetchone()
    assert found is not None
    row = found[0]
    assert row is None or isinstance(row, dict)
    return row or {}


def _all(connection: session.Connection, name: str, parameters: dict[str, Any]) -> list[Row]:
    cursor = connection.execute(statements.statement(name), parameters)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        # PoolTimeout is an OperationalError too.
        raise Unreachable(f"the breaker could not reach the database: {error}") from error
