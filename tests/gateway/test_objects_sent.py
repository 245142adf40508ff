"""Where a request for an object goes, and its token: redirects, changes, never shown."""

from collections.abc import Callable

import pytest

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import http
from tests.support import fault_server, gateway

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply
fetch = gateway.fetch
GOOD = gateway.record()


def test_fetch_refuses_a_redirect_when_it_leads_to_another_host(
    client: http.Client, server: Server, elsewhere: Server
) -> None:
    server.answers(reply(status=302, headers={"Location": f"{elsewhere.base_url}/x"}))
    attempt = fetch(client).attempt
    assert (attempt.kind, attempt.reason) == (Kind.CLIENT_ERROR, "redirect_refused")
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("reason", "location", "requests"),
    [
        ("ok", "/moved", 2),
        ("redirect_loop", "", 4),
        ("redirect_foreign", "https://other.example.com/", 1),
        ("redirect_refused", "ftp://x/", 1),
    ],
)
def test_fetch_follows_redirects_within_the_origin_when_allowed(
    make_client: Callable[..., http.Client],
    server: Server,
    reason: str,
    location: str,
    requests: int,
) -> None:
    def handler(wire: Wire) -> None:
        if wire.request.path == "/moved":
            wire.answer(reply(GOOD))
        else:
            to = location or wire.request.path
            wire.answer(reply(status=307, headers={"Location": to}))

    server.handler = handler
    assert fetch(make_client(max_redirects=9)).attempt.reason == reason
    assert len(server.requests) == requests


def test_fetch_sends_the_new_token_when_it_changed_meanwhile(
    make_client: Callable[..., http.Client], server: Server
) -> None:
    server.answers(reply(GOOD))
    tokens = ["first-token", "second-token\n"]
    client = make_client(token=lambda: tokens.pop(0))
    assert fetch(client).attempt.ok
    assert fetch(client).attempt.ok
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer first-token", "Bearer second-token"]


@pytest.mark.parametrize("token", ["", "  ", "line\r\nbreak: hunter2", "hunter2 \xfcml\xe4ut"])
def test_fetch_raises_without_the_token_when_it_cannot_be_sent(
    make_client: Callable[..., http.Client], server: Server, token: str
) -> None:
    with pytest.raises(errors.CredentialsError) as caught:
        fetch(make_client(token=lambda: token))
    assert "hunter2" not in str(caught.value)
    assert not server.requests


@pytest.mark.parametrize(
    "echo",
    [
        f"you sent {gateway.TOKEN}, which is wrong",
        f"cut off: {gateway.TOKEN[:-3]}",
        "x" * 490 + gateway.TOKEN + "y" * 500,
        "Authorization: bearer an-older-secret-9876",
    ],
)
def test_attempt_never_shows_the_token_when_the_server_echoes_it(
    client: http.Client, server: Server, echo: str
) -> None:
    server.answers(reply(f"<html>{echo}".encode(), status=401))
    attempt = fetch(client).attempt
    assert attempt.sample.startswith(b"<html>")
    assert len(attempt.sample) <= 500
    shown = repr(attempt) + repr(client) + attempt.detail
    for size in (len(gateway.TOKEN), 10):
        assert gateway.TOKEN[:size] not in shown
    assert "older-secret" not in shown
