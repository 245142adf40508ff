"""Slack as a server on loopback plays it: bot and webhook, refusals, throttling, bad networks."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.gateway import outgoing, slack
from noggin_mp.gateway.outgoing import Message
from tests.support import certificates, fault_server

TOKEN = "xoxb-made-up-secret"
MESSAGE = Message(subject="report <today> & more", text="long text", brief="7 complete\n<b>")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the machine would not find our loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[fault_server.FaultServer]:
    """A stand-in that answers as it is told."""
    with fault_server.running() as server:
        server.answers(answer({"ok": True}))
        yield server


def answer(body: Any, **given: Any) -> bytes:
    """A JSON answer."""
    return fault_server.reply(json.dumps(body).encode(), **given)


def bot(server: fault_server.FaultServer, **changes: Any) -> slack.Target:
    """A bot of the stand-in."""
    plain: dict[str, Any] = {
        "bot_token": TOKEN, "channel": "C123", "timeout_s": 25.0,
        "api_url": f"{server.base_url}/api",
    }  # fmt: skip
    return slack.Target(**(plain | changes))


def webhook(server: fault_server.FaultServer, **changes: Any) -> slack.Target:
    """A webhook of the stand-in."""
    url = f"{server.base_url}/services/T0/B0/hidden"
    return slack.Target(**{"webhook_url": url, "timeout_s": 25.0, **changes})


def send(target: slack.Target, message: Message = MESSAGE) -> outgoing.Delivery:
    """The outcome, without waiting for a Retry-After."""
    return slack.send(target, message, sleep=lambda seconds: None)


def test_bot_posts_to_its_channel_with_its_token(server: fault_server.FaultServer) -> None:
    done = send(bot(server))

    (request,) = server.requests
    assert (done.ok, done.told) == (True, "posted to C123")
    assert (request.method, request.path) == ("POST", "/api/chat.postMessage")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["content-type"] == "application/json; charset=utf-8"


def test_webhook_gets_no_token_and_no_channel(server: fault_server.FaultServer) -> None:
    server.answers(fault_server.reply(b"ok"))

    done = send(webhook(server))

    assert (done.ok, done.told) == (True, "posted through the webhook")
    assert server.requests[0].path == "/services/T0/B0/hidden"
    assert "authorization" not in server.requests[0].headers
    assert "channel" not in slack.body(webhook(server), MESSAGE)


def test_text_is_escaped_and_cut_at_a_line() -> None:
    target = slack.Target(bot_token=TOKEN, channel="C1")
    assert slack.body(target, MESSAGE) == {
        "channel": "C1",
        "text": "*report &lt;today&gt; &amp; more*\n```7 complete\n&lt;b&gt;```",
    }
    long = Message(subject="s", text="", brief="\n".join(["x" * 99] * 100))
    text = slack.body(target, long)["text"]
    assert len(text) < 4000
    assert text.endswith("x\n...```")


def test_a_netrc_file_does_not_replace_the_token(
    server: fault_server.FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))

    send(bot(server))

    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("reply", "told", "remedy", "later"),
    [
        (answer({"ok": False, "error": "channel_not_found"}), "channel_not_found", "invite", False),
        (answer({"ok": False, "error": "invalid_auth"}), "invalid_auth", "bot_token_file", False),
        (answer({"ok": False, "error": "new_in_2030"}), "new_in_2030", "Slack's documents", False),
        (answer({"ok": False, "error": "internal_error"}), "internal_error", "", True),
        (fault_server.reply(status=500), "fails with 500", "later", True),
        (fault_server.reply(b"<html>", status=200), "is not Slack's", "proxy", False),
        (answer([1]), "is not Slack's", "proxy", False),
        (fault_server.reply(status=302, headers={"Location": "http://127.0.0.1:9/"}),
         "answers 302", "api_url", False),
        (fault_server.reply(status=429, headers={"Retry-After": "120"}),
         "for 120 s", "later", True),
        (fault_server.reply(status=429), "too busy (429)", "later", True),
    ],
)  # fmt: skip
def test_bot_is_told_why_it_was_refused(
    server: fault_server.FaultServer, reply: bytes, told: str, remedy: str, later: bool
) -> None:
    server.answers(reply)

    done = send(bot(server))

    assert (done.ok, done.later) == (False, later), done
    assert told in done.told
    assert remedy in done.remedy
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (404, b"no_service", "make a new one"),
        (403, b"invalid_token", "copy it again"),
        (410, b"channel_is_archived", "a channel that is in use"),
        (400, b"invalid_payload", "notify.slack.webhook_url"),
    ],
)
def test_webhook_is_told_why_it_was_refused(
    server: fault_server.FaultServer, status: int, body: bytes, remedy: str
) -> None:
    server.answers(fault_server.reply(body, status=status))

    done = send(webhook(server))

    assert (done.ok, done.told) == (False, f"the webhook answers {status} {body.decode()}")
    assert remedy in done.remedy


def test_a_short_retry_after_is_waited_for_once(server: fault_server.FaultServer) -> None:
    server.answers(
        fault_server.reply(status=429, headers={"Retry-After": "2"}), answer({"ok": True})
    )
    waited: list[float] = []

    assert slack.send(bot(server), MESSAGE, sleep=waited.append).ok
    assert waited == [2.0]

    server.answers(fault_server.reply(status=429, headers={"Retry-After": "2"}))
    assert not slack.send(bot(server), MESSAGE, sleep=waited.append).ok
    assert waited == [2.0, 2.0]


def test_a_server_that_hangs_or_drips_is_given_up(
    server: fault_server.FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handler = lambda wire: wire.stall()
    hung = send(bot(server, timeout_s=0.3))
    assert (hung.told, hung.later) == ("Slack did not answer within 0.3 s", True)

    monkeypatch.setattr(outgoing.bounded, "__defaults__", (0.7,))
    server.handler = lambda wire: wire.drip(answer({"ok": True}), 0.2)
    dripped = send(bot(server))
    assert (dripped.told, dripped.later) == ("no answer within 0.7 s", True)


def test_a_broken_connection_is_told_without_the_webhook(
    server: fault_server.FaultServer,
) -> None:
    server.handler = lambda wire: wire.reset()
    assert send(bot(server)).told == "Slack cannot be reached"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/services/T0/B0/hidden"
        done = send(slack.Target(webhook_url=url, timeout_s=2))
    assert (done.told, done.later, "hidden" in repr(done)) == (
        "Slack cannot be reached",
        True,
        False,
    )


@pytest.mark.parametrize("url", ["https://[bad/services/x/hidden", "ftp://host/hidden"])
def test_a_webhook_that_is_none_is_told_without_it(url: str) -> None:
    done = send(slack.Target(webhook_url=url))
    assert (done.ok, "hidden" in repr(done)) == (False, False)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl for a certificate")
def test_certificates_are_verified(tmp_path: Path) -> None:
    certificate = certificates.make(tmp_path, "127.0.0.1")
    with fault_server.running(certificates.serving(certificate)) as server:
        server.answers(answer({"ok": True}))
        refused = send(bot(server))
        taken = send(bot(server, ca_file=certificate))

    assert (refused.told, "ca_file" in refused.remedy) == ("Slack's certificate is not valid", True)
    assert taken.ok
    assert len(server.requests) == 1
