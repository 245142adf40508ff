"""The client of one Noggin API: where requests may go, with which header, over which pool."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Protocol

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import exchanges, pool, reasons, urls, watch

Cancelled = watch.Cancelled
Timeouts = watch.Timeouts
never = watch.never

DEFAULT_MEDIA_URL = "{base_url}/media/file?ns={namespace}&tip={tip}"
MAX_REDIRECTS = 3
_HEADER_TEXT = re.compile(r"[\x21-\x7e]+")
_USER_AGENT = re.compile(r"[\x20-\x7e]+")


def always(rested_s: float) -> bool:
    """A request may be sent again that a stale connection swallowed."""
    return True


class Meters(Protocol):
    """Counts the requests of a client; each request is told once, by one of these."""

    def request(self, attempt: outcome.Attempt) -> None:
        """A request ended; what it brought has not been acted on yet."""

    def request_cancelled(
        self, role: outcome.Role, *, duration_s: float, received_bytes: int
    ) -> None:
        """A request was sent and then called off by ourselves."""

    def request_resent(self, role: outcome.Role) -> None:
        """A request went out on a kept connection that was closed already; it is sent again."""


def overdue() -> NoReturn:
    """For a `cancelled` that knows a deadline of its own: end the exchange as timed out."""
    detail = "the probe did not end within its deadline"
    raise reasons.Broken(outcome.Kind.TIMEOUT, "deadline", detail)


class Client:
    """The way to one Noggin API: its origin, its token, and a pool of connections.

    Build it after the fork, one per worker; it is safe for `threads` threads. The token is asked
    for at each request and goes nowhere but to the configured origins (`base_url`, and
    `media_url` where an operator set one elsewhere), in the Authorization header. Nothing is
    taken from the environment: no proxy, no netrc, no certificate authority.
    Raises: errors.ConfigError (an address, the namespace or the CA bundle cannot be used).
    """

    def __init__(
        self,
        *,
        base_url: str,
        namespace: str,
        token: Callable[[], str],
        timeouts: Timeouts | None = None,
        threads: int = 8,
        user_agent: str = "noggin-mp",
        media_url: str = DEFAULT_MEDIA_URL,
        ca_bundle: Path | None = None,
        max_redirects: int = 0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        meters: Meters | None = None,
    ) -> None:
        if namespace and not _HEADER_TEXT.fullmatch(namespace):
            raise errors.ConfigError(
                f"api.namespace {namespace!r} cannot be sent in a header",
                remedy="give the namespace as it stands in Noggin's address, without spaces",
            )
        if not _USER_AGENT.fullmatch(user_agent):
            raise ValueError(f"the user agent {user_agent!r} cannot be sent in a header")
        self.base = urls.base(base_url)
        self.namespace = namespace
        self.timeouts = timeouts or Timeouts()
        self.max_redirects = min(max_redirects, MAX_REDIRECTS)
        self.now = now
        self.meters = meters
        self._base_url = base_url
        self._media_url = media_url
        self._token = token
        self._user_agent = user_agent
        origins = {self.base.origin, urls.template_origin(media_url, base_url)}
        self._connections = {
            origin: pool.Connections(
                origin, threads=threads, timeouts=self.timeouts, ca_bundle=ca_bundle
            )
            for origin in origins
        }

    def __repr__(self) -> str:
        return f"<gateway.http.Client {self.base.origin}>"

    def close(self) -> None:
        """Close the idle connections; the client cannot be used afterwards."""
        for connections in self._connections.values():
            connections.close()

    def resolve(self, item_url: str, tip: str = "") -> urls.Target | urls.Refusal:
        """Where an attachment of a record is fetched from, or why it is not (see `urls`)."""
        return urls.resolve_url(self._media_url, self._base_url, self.namespace, item_url, tip)

    def exchange(
        self,
        role: outcome.Role,
        *,
        cancelled: Callable[[], bool] = never,
        resend: Callable[[float], bool] = always,
    ) -> exchanges.Exchange:
        """One attempt about to be made.

        `resend` is asked before a request that a kept connection swallowed is sent once more; it
        is told for how many seconds the connection had rested.
        """
        return exchanges.Exchange(self, role, cancelled, resend)

    def connections_for(self, target: urls.Target) -> pool.Connections:
        """The connections to the target's origin; a foreign one has none. Raises: Broken."""
        try:
            return self._connections[target.origin]
        except KeyError:
            raise reasons.Broken(outcome.Kind.CLIENT_ERROR, "foreign_url") from None

    def token(self) -> str:
        """The token as of now. Raises: errors.CredentialsError (none, or not fit for a header)."""
        token = self._token().strip()
        if not _HEADER_TEXT.fullmatch(token):
            raise errors.CredentialsError(
                "there is no API token" if not token else "the API token has unusable characters",
                remedy="set api.token or api.token_file",
            )
        return token

    def request(self, target: urls.Target, *, token: str, accept: str) -> bytes:
        """The whole request for `target`, media included; every part of it was checked before."""
        return (
            f"GET {target.path or '/'} HTTP/1.1\r\n"
            f"Host: {target.origin.netloc}\r\n"
            f"User-Agent: {self._user_agent}\r\n"
            f"Accept: {accept}\r\n"
            "Accept-Encoding: identity\r\n"
            f"en-namespace: {self.namespace}\r\n"
            f"Authorization: Bearer {token}\r\n"
            "\r\n"
        ).encode("ascii")
