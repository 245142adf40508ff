"""What one HTTP attempt came to: the vocabulary of gateway, gate, retry and metrics."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a request is for; breaker scopes and metrics tell them apart."""

    API = "api"
    MEDIA = "media"


class Kind(StrEnum):
    """The classes of outcome; the values are the metric label `outcome`."""

    SUCCESS = "success"
    NOT_FOUND = "not_found"  # 404, 410
    CLIENT_ERROR = "client_error"  # 403, 451, any other 4xx, a refused redirect
    SERVER_ERROR = "server_error"  # 5xx, 408, 425
    TIMEOUT = "timeout"
    CONNECT = "connect"  # refused, reset, DNS, TLS
    RATE_LIMITED = "rate_limited"  # 429; 503 with Retry-After
    AUTH = "auth"  # 401
    BAD_CONTENT = "bad_content"  # 200, but not what was promised: HTML, truncated, wrong tip...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One request on the wire and its end.

    `reason` is a short fixed slug (`http_503`, `read_timeout`, `truncated`, `html`...): fit for a
    label. `detail` is a sentence for people without secrets or query strings. `retry_after_s` is
    what the server asked for (None when absent or unusable; not yet clamped to the policy's cap).
    `sample` holds at most the first 500 bytes of an unusable body.
    """

    kind: Kind
    role: Role
    reason: str
    detail: str = ""
    status: int | None = None
    retry_after_s: float | None = None
    sample: bytes = b""
    duration_s: float = 0.0
    received_bytes: int = 0

    @property
    def ok(self) -> bool:
        """True when the answer is usable."""
        return self.kind is Kind.SUCCESS
