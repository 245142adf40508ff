"""Requests to the supervisors of one host or of all, and what each of them made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import rows
from psycopg.types import json

from noggin_mp.store import session, statements

CHANNEL: Final = "noggin_fleet"
"""What monitors LISTEN to; the payload is the schema in which somebody made a request."""

KEPT_DAYS: Final = 30
"""Requests, and hosts that are gone or stopped, are forgotten after so long."""

_MOST_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that waits for one host; `late` when its supervisor was started afterwards."""

    id: int
    verb: str
    args: Mapping[str, Any]
    who: str
    reason: str
    expires_in_s: float
    late: bool

    @property
    def workers(self) -> int | None:
        """How many workers are asked for, written as a number or as its digits."""
        said = str(self.args.get("workers"))
        return int(said) if said.isdecimal() and len(said) <= _MOST_DIGITS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who signs in: a host under its name, one installation there, and where its files lie."""

    host: str
    instance: str
    version: str
    output: str


def ask(
    connection: session.Connection,
    *,
    verb: str,
    host: str | None,
    who: str,
    reason: str,
    seconds: float,
    workers: int | None = None,
) -> int:
    """Make a request of one host, or of all with None, good for `seconds`; gives its id."""
    found = connection.execute(
        statements.statement("fleet_ask"),
        {
            "verb": verb,
            "workers": workers,
            "host": host,
            "reason": reason,
            "who": who,
            "seconds": seconds,
        },
    ).fetchone()
    assert found is not None
    return int(found[0])


def present(
    connection: session.Connection, who: Identity, *, facts: Mapping[str, Any], age_s: float
) -> list[Request]:
    """Beat for a host, and learn which requests wait for it; `age_s` is its supervisor's."""
    found = connection.execute(
        statements.statement("fleet_present"),
        {
            "host": who.host,
            "instance": who.instance,
            "version": who.version,
            "output": who.output,
            "facts": json.Jsonb(dict(facts)),
            "age_s": age_s,
        },
    ).fetchone()
    assert found is not None
    return [_request(row) for row in found[0]]


def take(connection: session.Connection, *, request: int, host: str) -> None:
    """Note that the host has heard of the request; its answer follows."""
    connection.execute(statements.statement("fleet_take"), {"request": request, "host": host})


def answer(
    connection: session.Connection, *, request: int, host: str, ok: bool, detail: Mapping[str, Any]
) -> None:
    """Write down what the host made of the request; the first answer stands."""
    connection.execute(
        statements.statement("fleet_answer"),
        {"request": request, "host": host, "ok": ok, "detail": json.Jsonb(dict(detail))},
    )


def withdraw(connection: session.Connection, ids: Sequence[int]) -> None:
    """Whoever has not heard of these requests by now shall not obey them."""
    connection.execute(statements.statement("fleet_withdraw"), {"ids": list(ids)})


def answers(connection: session.Connection, ids: Sequence[int]) -> list[dict[str, Any]]:
    """What hosts made of these requests so far: request_id, host, taken_at, at, ok, detail."""
    return _all(connection, "fleet_answers", {"ids": list(ids)})


def outstanding(connection: session.Connection) -> list[dict[str, Any]]:
    """The requests that hosts may still obey, each with the hosts that have answered it."""
    return _all(connection, "fleet_outstanding", {})


def prune(connection: session.Connection) -> int:
    """Forget old requests with their answers, and hosts long gone (leader); how many requests."""
    found = connection.execute(statements.statement("fleet_prune"), {"days": KEPT_DAYS}).fetchone()
    assert found is not None
    return int(found[0])


def _request(row: Mapping[str, Any]) -> Request:
    """A request as people wrote it, which must not stop a host that hears of it."""
    args, seconds = row["args"], float(row["expires_in_s"])  # infinity comes as a text
    given = args if isinstance(args, dict) else {}
    return Request(**{**row, "args": given, "expires_in_s": seconds})


def _all(
    connection: session.Connection, name: str, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=rows.dict_row) as cursor:
        return cursor.execute(statements.statement(name), parameters).fetchall()
