"""Downloads that end half-way, by the server, the caller or a kill: nothing but a partial file."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.domain import outcome
from noggin_mp.gateway import files, http
from tests.gateway.conftest import IMPATIENT, PATIENT
from tests.support import fault_server, wait
from tests.support.downloads import JPEG, PATH, download, names

Kind = outcome.Kind
Server = fault_server.FaultServer
Wire = fault_server.Wire
reply = fault_server.reply


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


def test_download_leaves_nothing_when_its_work_is_called_off(
    client: http.Client, server: Server, tmp_path: Path
) -> None:
    server.handler = _stall_in_body
    with pytest.raises(http.Cancelled):
        download(client, tmp_path, cancelled=lambda: names(tmp_path) != [])
    assert names(tmp_path) == []


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
