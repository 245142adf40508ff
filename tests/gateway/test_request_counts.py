"""Each request is told to the client's meters once, before anybody can act on its answer."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import http, media, objects, partial
from tests.gateway.conftest import MakeClient
from tests.support import fault_server, gateway

reply = fault_server.reply
Server = fault_server.FaultServer
Wire = fault_server.Wire
GOOD = gateway.record()
JPEG = gateway.jpeg(300_000)


class Meters:
    """Remembers what it was told: outcome, role and bytes."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []

    def request(self, attempt: outcome.Attempt) -> None:
        self.told.append((attempt.kind, attempt.role, attempt.received_bytes))

    def request_cancelled(
        self, role: outcome.Role, *, duration_s: float, received_bytes: int
    ) -> None:
        assert duration_s >= 0
        self.told.append(("cancelled", role, received_bytes))

    def request_resent(self, role: outcome.Role) -> None:
        self.told.append(("resent", role, 0))


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
def client(make_client: MakeClient, meters: Meters) -> http.Client:
    return make_client(meters=meters)


def fetch(client: http.Client, cancelled: Callable[[], bool] = http.never) -> objects.Fetched:
    return objects.fetch(client, endpoint="e", tip=gateway.TIP, cancelled=cancelled)


def download(
    client: http.Client, folder: Path, cancelled: Callable[[], bool] = http.never
) -> media.Downloaded:
    return media.download(
        client, url_or_path="/media/file?ns=acme&tip=a1", tip="a1", folder=folder, stem="photo",
        token=7, cancelled=cancelled,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(GOOD), ("success", "api", len(GOOD))),
        (reply(b"<html>"), ("bad_content", "api", 6)),
        (reply(b"busy", status=503), ("server_error", "api", 4)),
        (reply(b"", status=404), ("not_found", "api", 0)),
        (reply(GOOD).replace(b"Content-Length: ", b"Content-Length: 9"),
         ("bad_content", "api", len(GOOD))),  # what came of a body that ended early counts
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\nzz",
         ("bad_content", "api", 5)),
    ],
)  # fmt: skip
def test_request_for_an_object_is_told_once_when_it_has_ended(
    client: http.Client,
    server: Server,
    meters: Meters,
    answer: bytes,
    expected: tuple[str, str, int],
) -> None:
    server.handler = lambda wire: (wire.answer(answer), setattr(wire, "keep_open", False))[0]
    fetch(client)
    assert meters.told == [expected]


def test_download_is_told_before_there_is_a_file(
    client: http.Client,
    server: Server,
    meters: Meters,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publish = partial.Partial.publish
    at_publication: list[tuple[str, str, int]] = []

    def noting(new: partial.Partial, name: str) -> None:
        at_publication.extend(meters.told)
        publish(new, name)

    monkeypatch.setattr(partial.Partial, "publish", noting)
    server.answers(reply(JPEG))
    assert download(client, tmp_path).file is not None
    assert at_publication == meters.told == [("success", "media", len(JPEG))]


def test_request_is_told_as_cancelled_when_its_work_is_called_off(
    client: http.Client, server: Server, meters: Meters
) -> None:
    sent = threading.Event()

    def stall(wire: Wire) -> None:
        sent.set()
        wire.stall()

    server.handler = stall
    with pytest.raises(http.Cancelled):
        fetch(client, sent.is_set)
    assert meters.told == [("cancelled", "api", 0)]


def test_request_is_told_as_cancelled_when_our_own_disk_fails(
    client: http.Client, server: Server, meters: Meters, tmp_path: Path
) -> None:
    server.answers(reply(JPEG))
    with pytest.raises(errors.LocalTrouble):
        download(client, tmp_path / "gone")
    [(kind, role, received)] = meters.told
    assert (kind, role) == ("cancelled", "media")
    assert 0 < received <= len(JPEG)


def test_request_is_told_as_timed_out_when_its_own_deadline_ends_it(
    client: http.Client, server: Server, meters: Meters
) -> None:
    server.handler = lambda wire: wire.stall()

    def overdue() -> bool:
        if server.requests:
            http.overdue()
        return False

    attempt = fetch(client, overdue).attempt
    assert (attempt.kind, attempt.reason) == ("timeout", "deadline")
    assert meters.told == [("timeout", "api", 0)]


def test_both_requests_are_told_when_one_is_sent_again_on_a_new_connection(
    client: http.Client, server: Server, meters: Meters
) -> None:
    def close_on_second_use(wire: Wire) -> None:
        if len(server.requests) != 2:
            wire.answer(reply(GOOD))

    server.handler = close_on_second_use
    fetch(client)
    fetch(client)
    assert len(server.requests) == len(meters.told) == 3
    assert [kind for kind, _, _ in meters.told] == ["success", "resent", "success"]


def test_nothing_is_told_when_nothing_was_sent(
    make_client: MakeClient, server: Server, meters: Meters, tmp_path: Path
) -> None:
    client = make_client(meters=meters, token=lambda: "")
    with pytest.raises(errors.CredentialsError):
        fetch(client)
    with pytest.raises(http.Cancelled):
        fetch(make_client(meters=meters), lambda: True)
    assert (meters.told, server.requests) == ([], [])


def test_request_is_told_when_nobody_listens(make_client: MakeClient, meters: Meters) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can answer meanwhile
        base_url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        fetch(make_client(meters=meters, base_url=base_url))
    assert meters.told == [("connect", "api", 0)]
