"""Connections kept between objects: used again, tried once more for free, never mixed up."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from noggin_mp.domain import outcome
from noggin_mp.gateway import http, objects
from tests.support import fault_server, gateway, wait

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply
fetch = gateway.fetch
GOOD = gateway.record()


def test_fetch_reuses_the_connection_when_the_last_answer_was_whole(
    client: http.Client, server: Server
) -> None:
    server.answers(reply(GOOD), reply(b"no", status=500), reply(GOOD))
    kinds = [fetch(client).attempt.kind for _ in range(3)]
    assert kinds == [Kind.SUCCESS, Kind.SERVER_ERROR, Kind.SUCCESS]
    assert server.connections == 1


@pytest.mark.parametrize("with_reset", [False, True])
def test_fetch_retries_once_for_free_when_a_kept_connection_was_stale(
    client: http.Client, server: Server, with_reset: bool
) -> None:
    def close_on_second_use(wire: Wire) -> None:
        if len(server.requests) == 2:
            if with_reset:
                wire.reset()
            return
        wire.answer(reply(GOOD))

    server.handler = close_on_second_use
    assert fetch(client).attempt.ok
    assert fetch(client).attempt.ok
    assert [request.connection for request in server.requests] == [1, 1, 2]


def test_fetch_fails_when_the_free_retry_fails_too(client: http.Client, server: Server) -> None:
    def only_the_first(wire: Wire) -> None:
        if len(server.requests) == 1:
            wire.answer(reply(GOOD))

    server.handler = only_the_first
    assert fetch(client).attempt.ok
    attempt = fetch(client).attempt
    assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "closed")
    assert len(server.requests) == 3


def test_fetch_does_not_retry_when_bytes_of_the_answer_came(
    client: http.Client, server: Server
) -> None:
    def cut_the_second(wire: Wire) -> None:
        if len(server.requests) == 1:
            wire.answer(reply(GOOD))
        else:
            wire.send(b"HTTP/1.1 2")

    server.handler = cut_the_second
    assert fetch(client).attempt.ok
    assert not fetch(client).attempt.ok
    assert len(server.requests) == 2


def test_fetch_reconnects_when_the_server_closed_an_idle_connection(
    client: http.Client, server: Server
) -> None:
    server.handler = lambda wire: wire.send(reply(GOOD))  # closes without saying so
    assert fetch(client).attempt.ok
    wait.until(lambda: server.idle(), what="the server closed the connection")
    assert fetch(client).attempt.ok
    assert len(server.requests) == 2


def test_fetch_keeps_answers_apart_when_many_threads_share_a_client(
    make_client: Callable[..., http.Client], server: Server
) -> None:
    def own_tip(wire: Wire) -> None:
        tip = wire.request.path.rpartition("/")[2]
        wire.answer(reply(gateway.record(**{"$meta": {"tip": tip}, "pad": "x" * 20_000})))

    server.handler = own_tip
    client = make_client(threads=8)
    tips = [f"{number:064x}" for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        fetched = list(
            threads.map(lambda tip: objects.fetch(client, endpoint="lcd", tip=tip), tips)
        )
    assert all(one.attempt.ok for one in fetched)
    assert [one.body and one.body["$meta"]["tip"] for one in fetched] == tips
    assert server.connections <= 8
