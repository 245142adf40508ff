"""From what the wire gave (a status, an exception) to the kind of outcome and its reason."""

import errno
import http.client
import os
import socket
import ssl

import urllib3

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import reasons

Kind = outcome.Kind

NETWORK_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)
"""Everything that urllib3, http.client, ssl and socket raise about the remote end."""

_ERRNOS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.ECONNABORTED: "reset",
    errno.EPIPE: "reset",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EHOSTDOWN: "unreachable",
}
_OUR_MISTAKES = (urllib3.exceptions.EmptyPoolError, urllib3.exceptions.ClosedPoolError)
_OUR_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS})


def by_status(status: int, *, retry_after_s: float | None) -> tuple[Kind, str] | None:
    """Kind and reason of an HTTP status, or None for 200."""
    if status == http.HTTPStatus.OK:
        return None
    reason = reasons.for_status(status)
    if status == http.HTTPStatus.PARTIAL_CONTENT:
        return Kind.BAD_CONTENT, "partial_206"
    if status < 300 or status >= 600:
        return Kind.BAD_CONTENT, reason
    if status < 400:
        return Kind.CLIENT_ERROR, "redirect_refused"
    if status == http.HTTPStatus.UNAUTHORIZED:
        return Kind.AUTH, reason
    if status in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
        return Kind.NOT_FOUND, reason
    if status == http.HTTPStatus.TOO_MANY_REQUESTS:
        return Kind.RATE_LIMITED, reason
    if status == http.HTTPStatus.SERVICE_UNAVAILABLE and retry_after_s is not None:
        return Kind.RATE_LIMITED, reason
    if status >= 500 or status in (http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY):
        return Kind.SERVER_ERROR, reason
    return Kind.CLIENT_ERROR, reason


def by_exception(error: BaseException) -> reasons.Broken:
    """The typed form of a network exception.

    Only our own words go into it: a library's message may quote a header or a URL.
    Raises: errors.LocalTrouble (we are out of sockets or descriptors: not the remote's fault).
    """
    if isinstance(error, _OUR_MISTAKES):
        raise error
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, OSError) and cause.errno in _OUR_OWN:
            raise errors.LocalTrouble(
                f"no socket can be opened: {os.strerror(cause.errno)}",
                remedy="raise LimitNOFILE, or run fewer workers and threads",
            ) from None
    for cause in chain:
        found = _one(cause)
        if found is not None:
            return reasons.Broken(*found)
    return reasons.Broken(Kind.CONNECT, "connection")


def _chain(error: BaseException) -> list[BaseException]:
    """The innermost cause first."""
    chain: list[BaseException] = []
    todo: BaseException | None = error
    while todo is not None and todo not in chain:
        chain.append(todo)
        inner = [arg for arg in todo.args if isinstance(arg, BaseException)]
        todo = todo.__cause__ or (inner[0] if inner else todo.__context__)
    return chain[::-1]


def _one(error: BaseException) -> tuple[Kind, str] | None:
    exceptions = urllib3.exceptions
    table: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Kind, str], ...] = (
        (ssl.SSLCertVerificationError, Kind.CONNECT, "tls_certificate"),
        ((ssl.SSLError, exceptions.SSLError), Kind.CONNECT, "tls"),
        ((socket.gaierror, exceptions.NameResolutionError, UnicodeError), Kind.CONNECT, "dns"),
        (http.client.RemoteDisconnected, Kind.CONNECT, "closed"),
        (http.client.LineTooLong, Kind.BAD_CONTENT, "huge_header"),
        (http.client.BadStatusLine, Kind.BAD_CONTENT, "bad_status_line"),
        (http.client.IncompleteRead, Kind.BAD_CONTENT, "truncated"),
        (exceptions.InvalidHeader, Kind.BAD_CONTENT, "bad_header"),
    )
    for types, kind, reason in table:
        if isinstance(error, types):
            return kind, reason
    if isinstance(error, http.client.HTTPException):
        # "got more than 100 headers" has no class of its own
        return Kind.BAD_CONTENT, "huge_header" if "headers" in str(error) else "bad_http"
    if isinstance(error, exceptions.ReadTimeoutError | exceptions.ConnectTimeoutError):
        # reading is timed by the watch; what still times out here is connect, TLS or the send
        return Kind.TIMEOUT, "connect_timeout"
    if isinstance(error, TimeoutError):
        return Kind.TIMEOUT, "connect_timeout"
    if isinstance(error, OSError) and error.errno in _ERRNOS:
        return Kind.CONNECT, _ERRNOS[error.errno]
    return None
