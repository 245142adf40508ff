"""One message to Slack: by a bot's chat.postMessage or by an incoming webhook."""

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import requests

from noggin_mp.domain import redaction
from noggin_mp.gateway import outgoing, retry_after
from noggin_mp.gateway.outgoing import Delivery, Message

CHANNEL: Final = "slack"
MAX_CHARS: Final = 3500
"""Slack asks for texts below 4,000 characters. Source: docs.slack.dev, chat.postMessage."""
_ANSWER_BYTES: Final = 65_536
_PATIENCE_S: Final = 5.0

_REMEDIES: Final = {
    "invalid_auth": "give a valid token in notify.slack.bot_token_file",
    "not_authed": "give a token in notify.slack.bot_token_file",
    "account_inactive": "the bot's token was withdrawn: make a new one",
    "token_revoked": "the bot's token was withdrawn: make a new one",
    "token_expired": "give a new token in notify.slack.bot_token_file",
    "missing_scope": "give the app the scope chat:write and install it again",
    "channel_not_found": "correct notify.slack.channel, and invite the bot to it",
    "not_in_channel": "invite the bot to the channel",
    "is_archived": "choose a channel that is in use",
    "channel_is_archived": "choose a channel that is in use",
    "no_service": "the webhook was withdrawn: make a new one",
    "no_active_hooks": "the webhook was withdrawn: make a new one",
    "no_team": "the webhook is not valid: copy it again",
    "invalid_token": "the webhook is not valid: copy it again",
    "action_prohibited": "an administrator of Slack forbids it: ask",
    "restricted_action": "an administrator of Slack forbids it: ask",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A webhook, or a bot's token with its channel and the address of the API."""

    webhook_url: str = field(default="", repr=False)
    bot_token: str = field(default="", repr=False)
    channel: str = ""
    api_url: str = "https://slack.com/api"
    ca_file: Path | None = None
    timeout_s: float = outgoing.TIMEOUT_S

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown: the whole of a webhook's URL is its secret."""
        path = self.webhook_url.partition("://")[2].partition("/")[2]
        return tuple(one for one in (self.webhook_url, path, self.bot_token) if one)


class _Bearer(requests.auth.AuthBase):
    """The bot's token. Given this way, no entry of a .netrc file can take its place."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def send(
    target: Target, message: Message, *, sleep: Callable[[float], None] = time.sleep
) -> Delivery:
    """What became of `message`; never raises for what a server or a network does."""
    try:
        return outgoing.bounded(CHANNEL, functools.partial(_send, target, message, sleep))
    except (requests.RequestException, OSError, ValueError) as error:
        told, remedy, later = _explained(target, error)
        return _failed(target, told, remedy, later=later)


def body(target: Target, message: Message) -> dict[str, Any]:
    """What is posted: subject in bold, the brief text in fixed width."""
    inner = _escaped(message.brief or message.text)
    if len(inner) > MAX_CHARS:
        inner = inner[:MAX_CHARS].rpartition("\n")[0] + "\n..."
    subject = _escaped(outgoing.short(message.subject))
    said = {"text": f"*{subject}*" + (f"\n```{inner}```" if inner != subject else "")}
    return said if target.webhook_url else {"channel": target.channel, **said}


def _send(target: Target, message: Message, sleep: Callable[[float], None]) -> Delivery:
    status, wait_s, text = _post(target, message)
    if status == 429 and wait_s is not None and wait_s <= _PATIENCE_S:
        sleep(wait_s)
        status, wait_s, text = _post(target, message)
    if status == 429:
        wait = f" for {wait_s:g} s" if wait_s is not None else ""
        return _failed(target, f"Slack is too busy{wait} (429)", "try again later", later=True)
    if status >= 500:
        return _failed(target, f"Slack fails with {status}", "try again later", later=True)
    if target.webhook_url:
        return _of_webhook(target, status, text)
    return _of_bot(target, status, text)


def _of_webhook(target: Target, status: int, text: str) -> Delivery:
    if status == 200:
        return Delivery(channel=CHANNEL, ok=True, told="posted through the webhook")
    said = outgoing.short(text, 80)
    remedy = _REMEDIES.get(said, "see notify.slack.webhook_url")
    return _failed(target, f"the webhook answers {status} {said}", remedy)


def _of_bot(target: Target, status: int, text: str) -> Delivery:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        told = f"{target.api_url} answers {status} with something that is not Slack's"
        return _failed(target, told, "see notify.slack.api_url, and the proxy")
    if answer["ok"] is True:
        return Delivery(channel=CHANNEL, ok=True, told=f"posted to {target.channel}")
    error = outgoing.short(answer.get("error"), 80)
    remedy = _REMEDIES.get(error, "see the errors of chat.postMessage in Slack's documents")
    return _failed(
        target, f"Slack refuses the message for {target.channel}: {error}", remedy,
        later=error in ("internal_error", "fatal_error", "service_unavailable", "ratelimited"),
    )  # fmt: skip


def _post(target: Target, message: Message) -> tuple[int, float | None, str]:
    """Status, seconds of Retry-After, and the answer's text; no redirect is followed."""
    url = target.webhook_url or f"{target.api_url}/chat.postMessage"
    with (
        requests.Session() as session,
        session.post(
            url,
            data=json.dumps(body(target, message), ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json; charset=utf-8"},
            auth=_Bearer(target.bot_token),
            timeout=target.timeout_s,
            verify=str(target.ca_file) if target.ca_file else True,
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        # Through requests, which turns what urllib3 raises into errors of its own.
        said: bytes = next(response.iter_content(_ANSWER_BYTES), b"")
        wait = retry_after.parse(
            response.headers.get("Retry-After"),
            date=response.headers.get("Date"),
            now=datetime.now(UTC),
        )
        return response.status_code, wait, said.decode("utf-8", "replace")


def _explained(target: Target, error: Exception) -> tuple[str, str, bool]:
    """What happened, what to do, and whether it may pass by itself."""
    if isinstance(error, requests.exceptions.SSLError):
        remedy = "name the authority's file in notify.ca_file; a proxy may be in between"
        return "Slack's certificate is not valid", remedy, False
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let us through to Slack", "see HTTPS_PROXY", True
    if isinstance(error, requests.Timeout):
        told = f"Slack did not answer within {target.timeout_s:g} s"
        return told, "it may have taken the message all the same", True
    if isinstance(error, requests.ConnectionError):
        return "Slack cannot be reached", "see the network, and HTTPS_PROXY", True
    if isinstance(error, OSError) and target.ca_file is not None and not target.ca_file.exists():
        return f"there is no file {target.ca_file}", "correct notify.ca_file", False
    return f"{type(error).__name__}: {outgoing.short(error)}", "see notify.slack", False


def _failed(target: Target, told: str, remedy: str, *, later: bool = False) -> Delivery:
    return Delivery(
        channel=CHANNEL,
        ok=False,
        told=redaction.scrub(told, target.secrets),
        remedy=remedy,
        later=later,
    )


def _escaped(text: str) -> str:
    """Source: docs.slack.dev, formatting text: these three and no more are escaped."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
