"""Every reason an attempt can give, in one table, so that metrics and logs stay bounded."""

from http import HTTPStatus

from noggin_mp.domain import outcome

_STATUSES = {status.value: status.phrase for status in HTTPStatus if status.value >= 400}
# Source: Cloudflare's documentation of its own 5xx codes; proxies in front of APIs send them.
_STATUSES |= dict.fromkeys((*range(520, 528), 530), "error of a proxy before the server")

TABLE: dict[str, str] = {
    "ok": "usable",
    # no connection, or it broke
    "dns": "the host name did not resolve",
    "refused": "the host refused the connection",
    "unreachable": "no route to the host",
    "reset": "the connection was reset",
    "closed": "the server closed the connection without an answer",
    "tls": "the TLS connection failed",
    "tls_certificate": "the server's certificate was not accepted",
    "connection": "the connection failed in another way",
    # too slow
    "connect_timeout": "no connection within the connect time-out",
    "read_timeout": "no byte within the read time-out",
    "too_slow": "less than the minimum rate",
    "deadline": "not complete within the total deadline",
    # no proper HTTP
    "bad_status_line": "the answer does not start like HTTP",
    "bad_http": "the answer breaks the HTTP protocol",
    "huge_header": "the answer's header is over the limits",
    "bad_header": "Content-Length or Transfer-Encoding make no sense",
    "bad_chunking": "the chunked encoding is broken",
    "bad_encoding": "the content encoding is broken or unknown",
    # statuses with a meaning of their own
    "http_1xx": "an informational status as the final one",
    "http_2xx": "a success status other than 200",
    "http_4xx": "a client error without a registered code",
    "http_5xx": "a server error without a registered code",
    "http_other": "a status outside 100-599",
    "partial_206": "206 although no range was asked for",
    "redirect_refused": "a redirect, which is refused",
    "redirect_foreign": "a redirect to another origin, which is refused",
    "redirect_loop": "more redirects than allowed",
    # 200, but not what was promised
    "truncated": "the body ended early",
    "no_length": "neither length nor content say whether the body is complete",
    "too_large": "the body is over the cap",
    "empty": "the body is empty",
    "html": "HTML instead of the content",
    "json": "JSON instead of a file",
    "bad_utf8": "the text is not UTF-8",
    "bad_json": "the body is not JSON",
    "not_object": "JSON, but not an object",
    "nul": "text with NUL or a lone surrogate, which Postgres cannot hold",
    "wrong_tip": "the body belongs to another TIP",
    "unknown_content": "not one of the allowed file types",
    # refused without a request
    "foreign_url": "the URL points to another origin",
    "bad_url": "the URL is not one that may be requested",
    **{f"http_{status}": phrase for status, phrase in _STATUSES.items()},
}
"""Slug -> what it says to people. A new reason is one line here."""

REASONS = frozenset(TABLE)


class Broken(Exception):
    """The remote end let us down; the gateway turns it into an `Attempt` and never lets it out."""

    def __init__(self, kind: outcome.Kind, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.detail = detail or TABLE[reason]


def bad_content(reason: str, detail: str = "") -> Broken:
    """A `Broken` of kind BAD_CONTENT."""
    return Broken(outcome.Kind.BAD_CONTENT, reason, detail)


def for_status(status: int) -> str:
    """The bounded slug of an HTTP status that is an error."""
    if status in _STATUSES:
        return f"http_{status}"
    return {1: "http_1xx", 2: "http_2xx", 4: "http_4xx", 5: "http_5xx"}.get(
        status // 100, "http_other"
    )
