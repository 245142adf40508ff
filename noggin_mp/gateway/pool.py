"""Connections to one origin: urllib3's pool, with sockets that obey the watch."""

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from noggin_mp.domain import errors
from noggin_mp.gateway import response, urls, watch

REST_S: Final = 30.0
"""A connection that rested longer is not used again: common servers close them after 60 s."""


class _Kept:
    """When a connection was last given back, on the monotonic clock."""

    rested_at = 0.0


def _watched(sock: socket.socket) -> watch.WatchedSocket:
    timeout = sock.gettimeout()
    family, kind, proto = sock.family, sock.type, sock.proto
    twin = watch.WatchedSocket(family, kind, proto, fileno=sock.detach())
    twin.settimeout(timeout)
    return twin


class _Connection(_Kept, HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _watched(super()._new_conn())


class _TLSConnection(_Kept, HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _watched(super()._new_conn())


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A connection that is ours until it is given back.

    `reused` says that it carried answers before, `rested_s` how long ago the last one was.
    """

    connection: HTTPConnection
    reused: bool
    rested_s: float = 0.0

    def ask(self, request: bytes) -> response.StrictResponse:
        """The answer's status and header; its body is still to be read.

        Raises: what http.client and sockets raise; reasons.Broken and Cancelled of the watch.
        """
        self.connection.sock.sendall(request)
        answer = response.StrictResponse(self.connection.sock, method="GET")
        try:
            answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer


class Connections:
    """At most `threads` connections to `origin`, opened when first needed.

    urllib3 connects, verifies and keeps them; its request and response layers, which cost twice
    the CPU of the small GET they would carry, are left out.
    Raises: errors.ConfigError (the CA bundle cannot be used).
    """

    def __init__(
        self,
        origin: urls.Origin,
        *,
        threads: int,
        timeouts: watch.Timeouts,
        ca_bundle: Path | None,
    ) -> None:
        self._timeouts = timeouts
        self._trusted_from = 0.0
        self._pool: urllib3.HTTPConnectionPool
        if origin.scheme == "http":
            self._pool = _Pool(origin.host, origin.port, maxsize=threads, block=True)
        else:
            context = tls_context(ca_bundle)
            self._pool = _TLSPool(
                origin.host, origin.port, maxsize=threads, block=True, ssl_context=context
            )

    def take(self, *, fresh: bool = False) -> Line:
        """A connected line; `fresh` asks for a new one, even where an idle one is at hand.

        An idle one that the server has closed meanwhile is not taken: urllib3 looks.
        Raises: what urllib3 and sockets raise when connecting.
        """
        connection = self._pool._get_conn(timeout=self._timeouts.deadline_s)
        assert isinstance(connection, HTTPConnection) and isinstance(connection, _Kept)
        try:
            rested_s = time.monotonic() - connection.rested_at
            if fresh or rested_s >= REST_S or connection.rested_at < self._trusted_from:
                connection.close()
            reused = not connection.is_closed
            if not reused:
                connection.timeout = self._timeouts.connect_s
                connection.connect()
            connection.sock.settimeout(self._timeouts.slice_s)
        except BaseException:
            self._give(connection, reusable=False)
            raise
        return Line(connection=connection, reused=reused, rested_s=rested_s if reused else 0.0)

    def distrust(self) -> None:
        """Use no connection again that rests now: the server has dropped one of them."""
        self._trusted_from = time.monotonic()

    def give(self, line: Line, *, reusable: bool) -> None:
        """Take a line back; one whose last answer was not read to its end is closed."""
        self._give(line.connection, reusable=reusable)

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def _give(self, connection: HTTPConnection, *, reusable: bool) -> None:
        if not reusable:
            connection.close()
        if isinstance(connection, _Kept):
            connection.rested_at = time.monotonic()
        self._pool._put_conn(connection)


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """A verifying TLS context that takes no certificate authority from the environment.

    Without `ca_bundle` the system's authorities count, at the places compiled into OpenSSL.
    Raises: errors.ConfigError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = watch.WatchedTLSSocket
    if ca_bundle is None:
        places = ssl.get_default_verify_paths()
        cafile = places.openssl_cafile if Path(places.openssl_cafile).is_file() else None
        capath = places.openssl_capath if Path(places.openssl_capath).is_dir() else None
        if cafile or capath:
            context.load_verify_locations(cafile=cafile, capath=capath)
        return context
    try:
        context.load_verify_locations(cafile=str(ca_bundle))
    except (OSError, ssl.SSLError) as error:
        raise errors.ConfigError(
            f"the CA bundle {ca_bundle} cannot be loaded: {type(error).__name__}",
            remedy="give a readable file of PEM certificates",
        ) from None
    return context
