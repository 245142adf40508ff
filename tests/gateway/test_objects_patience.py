"""An object's answer that does not come, on real sockets: each wait ends, as the fault it was."""

import socket
from collections.abc import Callable

import pytest

from noggin_mp.domain import outcome
from noggin_mp.gateway import exchanges, http, objects
from tests.gateway.conftest import IMPATIENT, PATIENT
from tests.support import fault_server, gateway, wait

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply
fetch = gateway.fetch
GOOD = gateway.record()


def _stall_at_once(wire: Wire) -> None:
    wire.stall()


def _stall_in_header(wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-")
    wire.stall()


def _stall_in_body(wire: Wire) -> None:
    wire.send(reply(GOOD[:20], headers={"Content-Length": "500"}))
    wire.stall()


def _drip_header(wire: Wire) -> None:
    wire.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000, 0.02)


def _drip_body(wire: Wire) -> None:
    wire.send(reply(headers={"Content-Length": "5000"}))
    wire.drip(b'{"a": "' + b"a" * 5000, 0.01)


def _reset_at_once(wire: Wire) -> None:
    wire.reset()


def _reset_in_body(wire: Wire) -> None:
    wire.send(reply(GOOD[:20], headers={"Content-Length": "500"}))
    wire.reset()


@pytest.mark.parametrize(
    ("kind", "reason", "handler"),
    [
        (Kind.TIMEOUT, "read_timeout", _stall_at_once),
        (Kind.TIMEOUT, "read_timeout", _stall_in_header),
        (Kind.TIMEOUT, "read_timeout", _stall_in_body),
        (Kind.TIMEOUT, "deadline", _drip_header),
        (Kind.TIMEOUT, "too_slow", _drip_body),
        (Kind.CONNECT, "reset", _reset_at_once),
        (Kind.CONNECT, "reset", _reset_in_body),
    ],
)
def test_fetch_gives_up_in_time_when_the_server_misbehaves(
    make_client: Callable[..., http.Client],
    server: Server,
    kind: Kind,
    reason: str,
    handler: Callable[[Wire], None],
) -> None:
    server.handler = handler
    attempt = fetch(make_client(timeouts=IMPATIENT.get(reason, PATIENT))).attempt
    assert (kind, reason) == (attempt.kind, attempt.reason)
    # The server may not have begun when a client has given up already.
    wait.until(lambda: server.requests and server.idle(), timeout_s=60, what="the request")
    assert len(server.requests) == 1


def test_fetch_keeps_the_outcome_when_an_errors_body_stalls(
    client: http.Client, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stalling_error(wire: Wire) -> None:
        wire.send(reply(b"too", status=401, headers={"Content-Length": "900"}))
        wire.stall()

    monkeypatch.setattr(exchanges, "_ERROR_BODY_S", 0.3)
    server.handler = stalling_error
    assert fetch(client).attempt.kind is Kind.AUTH


def test_fetch_reports_a_refused_connection_when_nobody_listens(
    make_client: Callable[..., http.Client],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can answer meanwhile
        port = taken.getsockname()[1]
        attempt = fetch(make_client(base_url=f"http://127.0.0.1:{port}")).attempt
    assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "refused")
    assert attempt.status is None


def test_fetch_reports_dns_when_the_name_does_not_exist(
    make_client: Callable[..., http.Client],
) -> None:
    attempt = fetch(make_client(base_url="http://no-such-host.invalid")).attempt
    assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "dns")


def test_fetch_is_cancelled_when_its_work_is_called_off(
    client: http.Client, server: Server
) -> None:
    server.handler = _stall_at_once
    with pytest.raises(http.Cancelled):
        objects.fetch(
            client, endpoint="x", tip=gateway.TIP, cancelled=lambda: bool(server.requests)
        )
