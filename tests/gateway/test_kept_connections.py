"""Connections that are kept: when one is used again, and when a request is sent once more."""

import time
from collections.abc import Callable

import pytest

from noggin_mp.domain import outcome
from noggin_mp.gateway import http, objects, pool, urls
from tests.support import fault_server, gateway, wait

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
GOOD = fault_server.reply(gateway.record())


def fetch(client: http.Client, resend: Callable[[float], bool] = http.always) -> outcome.Attempt:
    """The outcome of one request for the shared TIP."""
    return objects.fetch(client, endpoint="loadCompliance", tip=gateway.TIP, resend=resend).attempt


def connections(server: Server) -> list[int]:
    """Over which connection each request came."""
    return [request.connection for request in server.requests]


@pytest.mark.parametrize("with_reset", [False, True])
def test_request_is_not_sent_again_when_it_may_not(
    client: http.Client, server: Server, with_reset: bool
) -> None:
    def drop_the_second(wire: Wire) -> None:
        if len(server.requests) == 2:
            if with_reset:
                wire.reset()
            return
        wire.answer(GOOD)

    server.handler = drop_the_second
    rested: list[float] = []

    def refuse(rested_s: float) -> bool:
        rested.append(rested_s)
        return False

    assert fetch(client, refuse).ok
    attempt = fetch(client, refuse)
    assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "reset" if with_reset else "closed")
    assert connections(server) == [1, 1]
    assert 0 <= rested[0] < pool.REST_S
    assert len(rested) == 1
    assert fetch(client, refuse).ok
    assert connections(server) == [1, 1, 2]


def test_connection_is_not_used_again_when_the_server_has_closed_it(
    client: http.Client, server: Server
) -> None:
    server.handler = lambda wire: wire.send(GOOD)  # and closes, without having said so
    asked: list[float] = []

    def note(rested_s: float) -> bool:
        asked.append(rested_s)
        return True

    assert fetch(client, note).ok
    line = client.connections_for(_target(client)).take()
    wait.until(lambda: not line.connection.is_connected or not line.reused, timeout_s=60)
    client.connections_for(_target(client)).give(line, reusable=True)
    assert fetch(client, note).ok
    assert asked == []  # nothing was sent on the dead one
    assert len(server.requests) == 2


def test_resting_connections_are_dropped_when_one_of_them_was_reset(
    client: http.Client, server: Server
) -> None:
    lines = [client.connections_for(_target(client)).take() for _ in range(2)]
    for line in lines:
        client.connections_for(_target(client)).give(line, reusable=True)

    server.handler = lambda wire: wire.reset()
    assert not fetch(client, lambda _: False).ok
    again = [client.connections_for(_target(client)).take() for _ in range(2)]
    assert [line.reused for line in again] == [False, False]
    for line in again:
        client.connections_for(_target(client)).give(line, reusable=True)
    assert client.connections_for(_target(client)).take().reused  # what came later is kept


def test_connection_is_opened_anew_when_it_has_rested_for_long(
    client: http.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(GOOD)
    assert fetch(client).ok
    assert fetch(client).ok
    monkeypatch.setattr(pool, "REST_S", 0.0)
    assert fetch(client).ok
    assert connections(server) == [1, 1, 2]


def test_line_says_how_long_it_rested(client: http.Client, server: Server) -> None:
    server.answers(GOOD)
    lines = client.connections_for(_target(client))
    first = lines.take()
    assert (first.reused, first.rested_s) == (False, 0.0)
    lines.give(first, reusable=True)
    given = time.monotonic()
    wait.until(lambda: time.monotonic() - given > 0.05)
    again = lines.take()
    assert again.reused
    assert 0.05 <= again.rested_s < pool.REST_S
    lines.give(again, reusable=True)


def _target(client: http.Client) -> urls.Target:
    found = client.resolve("/media/file?tip=a", "a")
    assert isinstance(found, urls.Target)
    return found
