"""An object's answer on the wire: framing, compression and caps, lawful and hostile."""

import gzip
import zlib

import pytest

from noggin_mp.domain import outcome
from noggin_mp.gateway import http
from tests.support import fault_server, gateway

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply
fetch = gateway.fetch
GOOD = gateway.record()


def zipped(data: bytes) -> bytes:
    """`data` in gzip, the same at each call: test ids are made of it."""
    return gzip.compress(data, mtime=0)


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
