"""Every way a file's answer can go wrong: what is published is whole, and nothing else remains."""

import gzip
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import files, http, media
from tests.gateway.conftest import IMPATIENT, PATIENT
from tests.support import fault_server, gateway, wait

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply
JPEG = gateway.jpeg(300_000)
PATH = "/media/file?ns=acme&tip=a1"


def download(client: http.Client, folder: Path, **overrides: object) -> media.Downloaded:
    """The attachment a1, as photo_001."""
    arguments: dict[str, object] = {
        "url_or_path": PATH,
        "tip": "a1",
        "folder": folder,
        "stem": "LCD - 000001_20251023_photo_001",
        "token": 77,
    }
    return media.download(client, **(arguments | overrides))  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    """What lies in `folder`, hidden files included."""
    return sorted(entry.name for entry in folder.iterdir())


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


def _stall_in_body(wire: Wire) -> None:
    wire.send(reply(JPEG[:270_000], headers={"Content-Length": "300000"}))
    wire.stall()


def _drip(wire: Wire) -> None:
    wire.send(reply(JPEG[:270_000], headers={"Content-Length": "300000"}))
    wire.drip(bytes(5000), 0.01)


def _reset(wire: Wire) -> None:
    wire.send(reply(JPEG[:270_000], headers={"Content-Length": "300000"}))
    wire.reset()


@pytest.mark.parametrize(
    ("kind", "reason", "handler"),
    [
        (Kind.TIMEOUT, "read_timeout", _stall_in_body),
        (Kind.TIMEOUT, "too_slow", _drip),
        (Kind.CONNECT, "reset", _reset),
        (Kind.AUTH, "http_401", lambda wire: wire.answer(reply(status=401))),
        (Kind.NOT_FOUND, "http_404", lambda wire: wire.answer(reply(status=404))),
        (Kind.RATE_LIMITED, "http_429", lambda wire: wire.answer(reply(status=429))),
        (
            Kind.CLIENT_ERROR,
            "redirect_refused",
            lambda wire: wire.answer(reply(status=302, headers={"Location": PATH})),
        ),
    ],
)
def test_download_leaves_nothing_when_the_server_misbehaves(
    make_client: Callable[..., http.Client],
    server: Server,
    tmp_path: Path,
    kind: Kind,
    reason: str,
    handler: Callable[[Wire], None],
) -> None:
    server.handler = handler
    done = download(make_client(timeouts=IMPATIENT.get(reason, PATIENT)), tmp_path)
    assert (kind, reason) == (done.attempt.kind, done.attempt.reason)
    assert names(tmp_path) == []


def test_download_sends_nothing_when_the_url_is_foreign(
    client: http.Client, server: Server, elsewhere: Server, tmp_path: Path
) -> None:
    done = download(client, tmp_path, url_or_path=f"{elsewhere.base_url}/media/file?tip=a1")
    assert not done.sent
    assert (done.attempt.kind, done.attempt.reason) == (Kind.CLIENT_ERROR, "foreign_url")
    assert elsewhere.connections == server.connections == 0


def test_download_sends_nothing_when_a_foreign_target_is_forced(
    client: http.Client, elsewhere: Server, tmp_path: Path
) -> None:
    target = media.resolve_url("{base_url}/{tip}", elsewhere.base_url, "acme", "/x", "a1")
    done = download(client, tmp_path, url_or_path=target)
    assert (done.attempt.kind, done.attempt.reason) == (Kind.CLIENT_ERROR, "foreign_url")
    assert elsewhere.connections == 0


def test_download_goes_to_the_media_origin_when_an_operator_set_one(
    make_client: Callable[..., http.Client], elsewhere: Server, tmp_path: Path
) -> None:
    elsewhere.answers(reply(JPEG))
    client = make_client(media_url=elsewhere.base_url + "/blob/{namespace}/{tip}")
    assert download(client, tmp_path).attempt.ok
    assert elsewhere.requests[0].path == "/blob/acme/a1"


def test_download_keeps_the_file_when_it_is_there_already(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    first = download(client, tmp_path).file
    assert first is not None
    inode = first.path.stat().st_ino
    second = download(client, tmp_path, token=78).file
    assert second is not None
    assert second.path.stat().st_ino == inode
    assert names(tmp_path) == [first.path.name]


def test_download_replaces_the_file_when_its_content_changed(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(gateway.jpeg(5000)), reply(JPEG))
    download(client, tmp_path)
    second = download(client, tmp_path).file
    assert second is not None
    assert second.path.read_bytes() == JPEG
    assert names(tmp_path) == [second.path.name]


def test_download_leaves_nothing_when_its_work_is_called_off(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.handler = _stall_in_body
    with pytest.raises(http.Cancelled):
        download(client, tmp_path, cancelled=lambda: names(tmp_path) != [])
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


@pytest.mark.parametrize("kind", ["missing", "file", "link"])
def test_download_blames_the_path_when_the_folder_cannot_be_used(
    client: http.Client, server: Server, tmp_path: Path, kind: str
) -> None:
    server.answers(reply(JPEG))
    folder = tmp_path / "folder"
    if kind == "file":
        folder.write_text("in the way")
    elif kind == "link":
        folder.symlink_to(tmp_path)
    with pytest.raises(errors.PathUnusable, match="install -d -o") as caught:
        download(client, folder)
    assert str(folder) in str(caught.value)


def test_download_never_writes_through_a_link_when_one_is_planted(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".p.jpg.77.tmp").symlink_to(victim)
    (folder / "p.jpg").symlink_to(victim)
    server.answers(reply(JPEG))
    done = download(client, folder, stem="p")
    assert done.file is not None
    assert not done.file.path.is_symlink()
    assert victim.read_text() == "precious"
    assert names(folder) == ["p.jpg"]


@pytest.mark.parametrize("stem", ["../escape", "a/b", "a\0b", "x" * 300])
def test_download_refuses_when_the_name_is_no_file_name(
    client: http.Client, server: Server, tmp_path: Path, stem: str
) -> None:
    server.answers(reply(JPEG))
    with pytest.raises(ValueError, match="file name"):
        download(client, tmp_path, stem=stem)
    assert names(tmp_path) == []


def test_download_shortens_only_the_temporary_name_when_the_name_is_long(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    done = download(client, tmp_path, stem="é" * 125)
    assert done.file is not None
    assert done.file.path.name == "é" * 125 + ".jpg"


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a tiny tmpfs")
def test_download_raises_disk_full_and_leaves_nothing_when_space_runs_out(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        server.answers(reply(JPEG))
        with pytest.raises(errors.DiskFull, match="df -h"):
            download(client, tmp_path)
        assert names(tmp_path) == []
        with pytest.raises(errors.DiskFull):
            files.publish_text(tmp_path, "a.txt", "x" * 300_000)
        assert names(tmp_path) == []
        server.answers(reply(gateway.jpeg(50_000)))
        assert download(client, tmp_path).attempt.ok  # the connection and the folder are fine
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


CHILD = """
import sys
from pathlib import Path
from noggin_mp.gateway import http, media
client = http.Client(base_url=sys.argv[1], namespace="acme", token=lambda: "t")
folder = Path(sys.argv[2])
media.download(client, url_or_path="/media/file?tip=a1", folder=folder, stem="p", token=5)
"""


def test_download_leaves_only_a_partial_file_when_its_process_is_killed(
    server: Server, tmp_path: Path
) -> None:
    server.handler = _stall_in_body
    child = subprocess.Popen([sys.executable, "-c", CHILD, server.base_url, str(tmp_path)])
    try:
        partial = tmp_path / ".p.jpg.5.tmp"
        wait.until(lambda: partial.exists() and partial.stat().st_size > 0, timeout_s=60)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert names(tmp_path) == [".p.jpg.5.tmp"]
    assert files.sweep(tmp_path, keep={"5"}) == 0
    assert files.sweep(tmp_path) == 1
    assert names(tmp_path) == []
