"""Every way an object's answer can go wrong, on real sockets: one attempt, one typed outcome."""

import gzip
import json
import socket
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import exchanges, http, objects, reasons
from tests.gateway.conftest import IMPATIENT, PATIENT
from tests.support import fault_server, gateway, wait

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply
GOOD = gateway.record()


def zipped(data: bytes) -> bytes:
    """`data` in gzip, the same at each call: test ids are made of it."""
    return gzip.compress(data, mtime=0)


def fetch(client: http.Client, **overrides: int) -> objects.Fetched:
    """The object of the shared TIP."""
    return objects.fetch(client, endpoint="loadCompliance", tip=gateway.TIP, **overrides)


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


CHUNKED = {"Content-Length": "", "Transfer-Encoding": "chunked"}


def chunked(*lines: bytes) -> bytes:
    """A chunked answer with exactly these bytes as its body."""
    return reply(b"".join(lines), headers=CHUNKED)


def one_chunk(data: bytes) -> bytes:
    """`data` as one chunk without the end."""
    return b"%x;ext=1\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("kind", "reason", "sent"),
    [
        (Kind.BAD_CONTENT, "truncated", reply(GOOD, headers={"Content-Length": "5000"})),
        (Kind.BAD_CONTENT, "bad_json", reply(GOOD, headers={"Content-Length": "20"})),
        (Kind.BAD_CONTENT, "bad_header", reply(GOOD, headers={"Content-Length": "-7"})),
        (Kind.BAD_CONTENT, "bad_header", reply(GOOD, headers={"Content-Length": "1_0"})),
        (Kind.BAD_CONTENT, "bad_header", reply(GOOD, headers={"Transfer-Encoding": "br"})),
        (
            Kind.BAD_CONTENT,
            "bad_header",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}{}{}",
        ),
        (Kind.BAD_CONTENT, "bad_chunking", chunked(b"zz\r\n", GOOD)),
        (Kind.BAD_CONTENT, "bad_chunking", chunked(b"-5\r\n", GOOD)),
        (Kind.BAD_CONTENT, "bad_chunking", chunked(b"5\r\n", GOOD)),
        (Kind.BAD_CONTENT, "bad_chunking", chunked(b"f" * 6000)),
        (Kind.BAD_CONTENT, "bad_chunking", chunked(one_chunk(GOOD), b"0\r\n", b"A: b\r\n" * 90)),
        (Kind.BAD_CONTENT, "truncated", chunked(b"")),
        (Kind.BAD_CONTENT, "truncated", chunked(one_chunk(GOOD))),
        (Kind.BAD_CONTENT, "truncated", chunked(one_chunk(GOOD), b"0\r\n")),
        (Kind.BAD_CONTENT, "truncated", chunked(one_chunk(GOOD)[:-9])),
        (Kind.BAD_CONTENT, "huge_header", reply(GOOD, headers={"X-Big": "a" * 70_000})),
        (
            Kind.BAD_CONTENT,
            "huge_header",
            reply(GOOD, headers={f"X-{n}": "a" for n in range(120)}),
        ),
        (Kind.BAD_CONTENT, "bad_status_line", b"SSH-2.0-OpenSSH_9.2\r\n"),
        (Kind.BAD_CONTENT, "bad_status_line", b"\0\1\2\3\4\r\n\r\n"),
        (Kind.BAD_CONTENT, "bad_status_line", b"HTTP/1.1 99999 Odd\r\n\r\n"),
        (Kind.BAD_CONTENT, "huge_header", b"H" * 70_000),
        (Kind.CONNECT, "closed", b""),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
def test_fetch_types_the_outcome_when_the_wire_is_broken(
    client: http.Client, server: Server, kind: Kind, reason: str, sent: bytes
) -> None:
    server.handler = lambda wire: wire.send(sent)
    attempt = fetch(client).attempt
    assert (kind, reason) == (attempt.kind, attempt.reason)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "sent",
    [
        chunked(one_chunk(GOOD[:10]), one_chunk(GOOD[10:]), b"0\r\nX-Trailer: 1\r\n\r\n"),
        reply(GOOD, headers={"Content-Length": "", "Connection": "close"}),
        b"HTTP/1.0 200 OK\r\n\r\n" + GOOD,
        b"HTTP/1.1 100 Continue\r\n\r\n" + reply(GOOD),
        reply(GOOD, headers={"Content-Encoding": "identity"}),
        reply(zipped(GOOD), headers={"Content-Encoding": "gzip"}),
        reply(zipped(GOOD[:9]) + zipped(GOOD[9:]), headers={"Content-Encoding": "GZIP"}),
        reply(zlib.compress(GOOD), headers={"Content-Encoding": "deflate"}),
    ],
    ids=range(8),
)
def test_fetch_reads_the_object_when_the_framing_is_another_lawful_one(
    client: http.Client, server: Server, sent: bytes
) -> None:
    server.handler = lambda wire: wire.send(sent)
    fetched = fetch(client)
    assert fetched.attempt.ok, fetched.attempt
    assert fetched.raw == GOOD


@pytest.mark.parametrize(
    ("reason", "encoding", "body"),
    [
        ("bad_encoding", "gzip", GOOD),
        ("bad_encoding", "br", GOOD),
        ("bad_encoding", "gzip", zipped(GOOD) + b"garbage behind"),
        ("bad_encoding", "gzip", zipped(GOOD)[:-8] + b"\0" * 8),
        ("truncated", "gzip", zipped(GOOD)[:-9]),
        ("too_large", "gzip", zipped(b" " * 30_000_000)),
        ("empty", "gzip", zipped(b"")),
    ],
)
def test_fetch_refuses_the_body_when_its_compression_is_hostile(
    client: http.Client, server: Server, reason: str, encoding: str, body: bytes
) -> None:
    server.answers(reply(body, headers={"Content-Encoding": encoding}))
    attempt = fetch(client).attempt
    assert (Kind.BAD_CONTENT, reason) == (attempt.kind, attempt.reason)


def test_fetch_stops_at_the_cap_when_the_body_is_endless(
    client: http.Client, server: Server
) -> None:
    sent = 0

    def endless(wire: Wire) -> None:
        nonlocal sent
        wire.send(reply(headers={"Content-Length": ""}))
        while True:
            wire.send(b'"' * 65536)
            sent += 65536

    server.handler = endless
    attempt = fetch(client, max_bytes=1_000_000).attempt
    assert (attempt.kind, attempt.reason) == (Kind.BAD_CONTENT, "too_large")
    assert attempt.received_bytes < 1_500_000


def test_fetch_reads_nothing_when_the_named_length_is_over_the_cap(
    client: http.Client, server: Server
) -> None:
    server.handler = lambda wire: wire.send(reply(headers={"Content-Length": "21000000"}))
    attempt = fetch(client).attempt
    assert (attempt.kind, attempt.reason) == (Kind.BAD_CONTENT, "too_large")
    assert attempt.received_bytes == 0


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


# Keep-alive


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


# Redirects


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


# The token


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


def test_every_reason_is_in_the_table_when_attempts_are_made(
    client: http.Client, server: Server
) -> None:
    server.answers(reply(status=418))
    assert fetch(client).attempt.reason in reasons.REASONS
