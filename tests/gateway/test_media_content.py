"""What a file's answer holds: what is published is whole, and nothing else remains."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import http, media
from tests.support import fault_server, gateway
from tests.support.downloads import JPEG, PATH, download, names

Kind = outcome.Kind
Server = fault_server.FaultServer
reply = fault_server.reply


def test_download_publishes_the_file_when_all_is_well(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    done = download(client, tmp_path)
    assert done.attempt.ok, done.attempt
    assert done.sent
    assert done.file is not None
    assert done.file.path == tmp_path / "LCD - 000001_20251023_photo_001.jpg"
    assert done.file.path.read_bytes() == JPEG
    assert done.file.size_bytes == len(JPEG) == done.attempt.received_bytes
    assert done.file.sha256 == hashlib.sha256(JPEG).hexdigest()
    assert done.file.md5 == hashlib.md5(JPEG, usedforsecurity=False).hexdigest()
    assert (done.file.content_type, done.file.extension) == ("image/jpeg", ".jpg")
    assert done.file.path.stat().st_mode & 0o137 == 0
    assert names(tmp_path) == [done.file.path.name]
    request = server.requests[0]
    assert request.path == PATH
    assert request.headers["authorization"] == f"Bearer {gateway.TOKEN}"
    assert request.headers["en-namespace"] == gateway.NAMESPACE


def test_download_leaves_md5_out_when_it_is_not_asked_for(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    done = download(client, tmp_path, hashes=("sha256",))
    assert done.file is not None
    assert done.file.md5 is None


@pytest.mark.parametrize("claimed", ["image/jpeg", "text/html"])
def test_download_names_the_extension_by_content_when_the_header_says_otherwise(
    client: http.Client, server: Server, tmp_path: Path, claimed: str
) -> None:
    server.answers(reply(gateway.png(), headers={"Content-Type": claimed}))
    done = download(client, tmp_path)
    assert done.file is not None
    assert done.file.path.suffix == ".png"


NO_LENGTH = {"Content-Length": ""}
CHUNKED = NO_LENGTH | {"Transfer-Encoding": "chunked"}
HALF = b"%x\r\n%s\r\n" % (1000, JPEG[:1000])
LAWFUL = {
    "chunked": reply(HALF + b"%x\r\n%s\r\n0\r\n\r\n" % (299_000, JPEG[1000:]), headers=CHUNKED),
    "proved-jpeg": reply(JPEG, headers=NO_LENGTH),
    "gzip": reply(gzip.compress(JPEG, mtime=0), headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("sent", LAWFUL.values(), ids=LAWFUL.keys())
def test_download_publishes_the_file_when_the_framing_is_another_lawful_one(
    client: http.Client, server: Server, tmp_path: Path, sent: bytes
) -> None:
    server.handler = lambda wire: wire.send(sent)
    done = download(client, tmp_path)
    assert done.file is not None, done.attempt
    assert done.file.path.read_bytes() == JPEG


BROKEN = {
    "cut": ("truncated", reply(JPEG[:-1], headers={"Content-Length": "300000"})),
    "cut-in-first-chunk": ("truncated", reply(JPEG[:99], headers={"Content-Length": "300000"})),
    "no-length-no-end": ("no_length", reply(JPEG[:-1], headers=NO_LENGTH)),
    "no-length-no-mark": ("no_length", reply(b"GIF89a" + bytes(50), headers=NO_LENGTH)),
    "chunked-cut": ("truncated", reply(HALF, headers=CHUNKED)),
    "chunked-garbage": ("bad_chunking", reply(b"\xff\xd8\xff\xe0" + JPEG, headers=CHUNKED)),
    "chunked-lie": ("bad_chunking", reply(b"5\r\n" + JPEG, headers=CHUNKED)),
    "empty": ("empty", reply(b"")),
    "html": ("html", reply(b"<html>Sign in</html>", headers={"Content-Type": "image/jpeg"})),
    "json": ("json", reply(b'{"message": "not here"}')),
    "program": ("unknown_content", reply(b"\x7fELF" + bytes(100))),
    "range": ("partial_206", reply(JPEG, status=206)),
    "no-content": ("http_2xx", reply(status=204)),
    "broken-gzip": ("bad_encoding", reply(JPEG, headers={"Content-Encoding": "gzip"})),
    "named-huge": ("too_large", reply(JPEG, headers={"Content-Length": "500000001"})),
}


@pytest.mark.parametrize(("reason", "sent"), BROKEN.values(), ids=BROKEN.keys())
def test_download_leaves_nothing_when_the_content_is_not_whole(
    client: http.Client, server: Server, tmp_path: Path, reason: str, sent: bytes
) -> None:
    server.handler = lambda wire: wire.send(sent)
    done = download(client, tmp_path)
    assert (Kind.BAD_CONTENT, reason) == (done.attempt.kind, done.attempt.reason)
    assert done.attempt.role is outcome.Role.MEDIA
    assert done.file is None
    assert done.sent
    assert names(tmp_path) == []


def test_download_keeps_a_sample_when_a_login_page_comes(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    page = b"<html>Sign in " + b"x" * 1000
    server.answers(reply(page))
    assert download(client, tmp_path).attempt.sample == page[:500]


@pytest.mark.parametrize(
    "headers", [NO_LENGTH, CHUNKED, {"Content-Encoding": "gzip"}], ids=range(3)
)
def test_download_stops_at_the_cap_when_the_body_is_longer_than_allowed(
    client: http.Client, server: Server, tmp_path: Path, headers: dict[str, str]
) -> None:
    body = JPEG * 2
    if "Content-Encoding" in headers:
        body = gzip.compress(b"\xff\xd8\xff" + bytes(50_000_000), mtime=0)
    elif "Transfer-Encoding" in headers:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    server.handler = lambda wire: wire.send(reply(body, headers=headers))
    done = download(client, tmp_path, limits=media.MediaLimits(max_bytes=400_000))
    assert (done.attempt.kind, done.attempt.reason) == (Kind.BAD_CONTENT, "too_large")
    assert names(tmp_path) == []


def test_download_gives_the_connection_back_when_anything_happened(
    make_client: Callable[..., http.Client], server: Server, tmp_path: Path
) -> None:
    client = make_client(threads=1)  # one connection that is not given back blocks the next
    for _, sent in BROKEN.values():
        server.handler = lambda wire, sent=sent: wire.send(sent)
        download(client, tmp_path)
    with pytest.raises(errors.PathUnusable):
        server.answers(reply(JPEG))
        download(client, tmp_path / "gone")
    assert download(client, tmp_path).attempt.ok
