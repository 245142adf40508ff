"""An object's answer that came whole: its status and its body, and one typed outcome."""

import json

import pytest

from noggin_mp.domain import outcome
from noggin_mp.gateway import http, reasons
from tests.support import fault_server, gateway

Kind = outcome.Kind
Server = fault_server.FaultServer
reply = fault_server.reply
fetch = gateway.fetch
GOOD = gateway.record()


def test_fetch_returns_the_object_when_all_is_well(client: http.Client, server: Server) -> None:
    server.answers(reply(GOOD))
    fetched = fetch(client)
    assert fetched.attempt.ok, fetched.attempt
    assert fetched.body == json.loads(GOOD)
    assert fetched.raw == GOOD
    assert fetched.attempt.status == 200
    assert fetched.attempt.received_bytes == len(GOOD)
    assert fetched.attempt.reason == "ok"
    request = server.requests[0]
    assert request.path == f"/rest/object/loadCompliance/{gateway.TIP}"
    assert request.method == "GET"
    assert request.headers["authorization"] == f"Bearer {gateway.TOKEN}"
    assert request.headers["en-namespace"] == gateway.NAMESPACE
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"] == "noggin-mp/0.1.0 host/0"


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (Kind.BAD_CONTENT, "http_2xx", 204),
        (Kind.BAD_CONTENT, "http_2xx", 299),
        (Kind.BAD_CONTENT, "partial_206", 206),
        (Kind.BAD_CONTENT, "http_1xx", 103),
        (Kind.CLIENT_ERROR, "redirect_refused", 302),
        (Kind.CLIENT_ERROR, "redirect_refused", 304),
        (Kind.CLIENT_ERROR, "http_400", 400),
        (Kind.AUTH, "http_401", 401),
        (Kind.CLIENT_ERROR, "http_403", 403),
        (Kind.NOT_FOUND, "http_404", 404),
        (Kind.NOT_FOUND, "http_410", 410),
        (Kind.SERVER_ERROR, "http_408", 408),
        (Kind.SERVER_ERROR, "http_425", 425),
        (Kind.RATE_LIMITED, "http_429", 429),
        (Kind.CLIENT_ERROR, "http_451", 451),
        (Kind.CLIENT_ERROR, "http_4xx", 499),
        (Kind.SERVER_ERROR, "http_500", 500),
        (Kind.SERVER_ERROR, "http_502", 502),
        (Kind.SERVER_ERROR, "http_503", 503),
        (Kind.SERVER_ERROR, "http_524", 524),
        (Kind.SERVER_ERROR, "http_5xx", 599),
        (Kind.BAD_CONTENT, "http_other", 700),
    ],
)
def test_fetch_types_the_outcome_when_the_status_is(
    client: http.Client, server: Server, kind: Kind, reason: str, status: int
) -> None:
    body = b"" if status in (103, 204, 304) else b"because"
    server.answers(reply(body, status=status))
    attempt = fetch(client).attempt
    assert (kind, reason, status) == (attempt.kind, attempt.reason, attempt.status)
    assert attempt.sample == body
    assert f"answered {status}" in attempt.detail


@pytest.mark.parametrize(
    ("expected", "status", "value"),
    [
        (12.0, 429, "12"),
        (2.0, 429, "1.5"),
        (45.0, 429, "Fri, 21 Nov 2025 10:00:45 GMT"),
        (None, 429, "whenever"),
        (None, 429, "-3"),
        (1e9, 429, "1000000000"),
        (12.0, 503, "12"),
    ],
)
def test_fetch_reports_the_wanted_pause_when_throttled(
    client: http.Client, server: Server, expected: float | None, status: int, value: str
) -> None:
    headers = {"Retry-After": value, "Date": "Fri, 21 Nov 2025 10:00:00 GMT"}
    server.answers(reply(status=status, headers=headers))
    attempt = fetch(client).attempt
    assert attempt.kind is Kind.RATE_LIMITED
    assert expected == attempt.retry_after_s


def test_fetch_calls_503_a_server_error_when_its_retry_after_is_nonsense(
    client: http.Client, server: Server
) -> None:
    server.answers(reply(status=503, headers={"Retry-After": "later"}))
    assert fetch(client).attempt.kind is Kind.SERVER_ERROR


@pytest.mark.parametrize(
    ("reason", "body"),
    [
        ("empty", b""),
        ("empty", b" \r\n "),
        ("html", b"<html><body>Please log in</body></html>"),
        ("not_object", b"[1, 2]"),
        ("not_object", b"null"),
        ("not_object", b'"text"'),
        ("bad_json", GOOD[:-5]),
        ("bad_json", GOOD + GOOD),
        ("bad_json", b"Service unavailable"),
        ("bad_json", b'{"mass": NaN}'),
        ("bad_json", b'{"mass": 1e999}'),
        ("bad_json", b'{"mass": ' + b"9" * 5000 + b"}"),
        ("bad_json", b"[" * 100_000),
        ("bad_utf8", b'{"name": "caf\xe9"}'),
        ("nul", b'{"name": "a\0b"}'),
        ("nul", b'{"name": "a\\u0000b"}'),
        ("nul", b'{"list": [{"a\\u0000": 1}]}'),
        ("nul", b'{"name": "half \\ud83d of a pair"}'),
        ("wrong_tip", gateway.record(**{"$meta": {"tip": "cd" * 32}})),
        ("wrong_tip", gateway.record(**{"$meta": {"tip": gateway.TIP.upper()}})),
        ("wrong_tip", gateway.record(**{"$meta": {"tip": 7}})),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else value,
)
def test_fetch_refuses_the_body_when_it_is_not_the_object(
    client: http.Client, server: Server, reason: str, body: bytes
) -> None:
    server.answers(reply(body))
    fetched = fetch(client)
    assert (Kind.BAD_CONTENT, reason) == (fetched.attempt.kind, fetched.attempt.reason)
    assert fetched.attempt.sample == body[:500]
    assert fetched.body is None
    assert fetched.raw == b""


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + GOOD,
        gateway.record(note="a literal \\u0000 in text"),
        b'{"note": "pair \\ud83d\\ude9a"}',
        b'{"note": "no meta"}',
        b'{"$meta": {"sid": "no tip"}}',
        b'{"$meta": []}',
    ],
)
def test_fetch_accepts_the_body_when_it_is_only_unusual(
    client: http.Client, server: Server, body: bytes
) -> None:
    server.answers(reply(body))
    assert fetch(client).attempt.ok


def test_every_reason_is_in_the_table_when_attempts_are_made(
    client: http.Client, server: Server
) -> None:
    server.answers(reply(status=418))
    assert fetch(client).attempt.reason in reasons.REASONS
