"""One query on a session, answered in time or not at all."""

import select
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.rows import TupleRow

Connection = psycopg.Connection[TupleRow]


def answer(
    connection: Connection, query: str, values: Sequence[str] = (), *, within_s: float
) -> str | None:
    """The first value of the answer to `query`; None when none comes for so long.

    After None the connection is good for nothing but closing. Nothing may be under way on it.
    Raises: psycopg.Error when the query is refused or the connection breaks.
    """
    encoding = connection.info.encoding
    wire = connection.pgconn
    wire.send_query_params(query.encode(), [value.encode(encoding) for value in values])
    deadline = time.monotonic() + within_s
    # Not written at once only when the socket is full, which so little does not make it.
    wire.flush()
    while wire.is_busy():
        if not _heard(wire.socket, deadline - time.monotonic()):
            return None
        wire.consume_input()
    result = wire.get_result()
    while wire.get_result() is not None:
        pass
    if result is None or result.status != pq.ExecStatus.TUPLES_OK:
        raise _refusal(result, encoding)
    return (result.get_value(0, 0) or b"").decode(encoding)


def set_config(
    connection: Connection, settings: Mapping[str, str], *, within_s: float
) -> str | None:
    """Make these settings for the session; None when no answer comes for so long. Raises: so."""
    calls = [f"set_config(${2 * n + 1}, ${2 * n + 2}, false)" for n in range(len(settings))]
    values = [word for pair in settings.items() for word in pair]
    return answer(connection, f"SELECT {', '.join(calls)}", values, within_s=within_s)


def _heard(fd: int, within_s: float) -> bool:
    """True once there is something to read, or the end. Not by select, which takes no fd > 1023."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return within_s > 0 and bool(poll.poll(within_s * 1000))


def _refusal(result: Any, encoding: str) -> psycopg.Error:
    if result is None:
        return psycopg.OperationalError("the connection is lost")
    return psycopg.errors.error_from_result(result, encoding=encoding)
