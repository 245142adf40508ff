"""Which origin a download may go to: ours, or the one that an operator set."""

from collections.abc import Callable
from pathlib import Path

from noggin_mp.domain import outcome
from noggin_mp.gateway import http, media
from tests.support import fault_server
from tests.support.downloads import JPEG, download

Kind = outcome.Kind
Server = fault_server.FaultServer
reply = fault_server.reply


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
