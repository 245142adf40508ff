"""One HTTP attempt: opened, judged, read to its end, and what it came to."""

import re
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin

from noggin_mp.domain import outcome
from noggin_mp.gateway import classify, pool, reasons, response, retry_after, scrub, urls, watch

if TYPE_CHECKING:
    from noggin_mp.gateway import http

_ERROR_BODY_BYTES = 65536
_ERROR_BODY_S = 2.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DIGITS = re.compile(r"[0-9]{1,18}")


class Exchange:
    """One attempt: open it, read its body, and take the outcome.

    Remote trouble comes as `reasons.Broken`, which the caller hands to `failed`; it never leaves
    the gateway. Used as a context manager it gives the connection back, or closes it when the
    body was not read to its end. The request is told to the client's meters once: by `succeeded`
    or `failed`, which come before anybody acts on the answer, or when it was called off.
    """

    def __init__(
        self,
        client: "http.Client",
        role: outcome.Role,
        cancelled: Callable[[], bool],
        resend: Callable[[float], bool],
    ) -> None:
        self.role = role
        self.status: int | None = None
        self.date: str | None = None
        self.length: int | None = None
        self.encoding = ""
        self.framed = False
        self.received_bytes = 0
        self._client = client
        self._watch = watch.Watch(client.timeouts, cancelled)
        self._resend = resend
        self._connections: pool.Connections | None = None
        self._line: pool.Line | None = None
        self._answer: response.StrictResponse | None = None
        self._token = ""
        self._label = str(client.base.origin)
        self._retry_after_s: float | None = None
        self._caught = bytearray()
        self._complete = False
        self._asked = self._told = False

    def __enter__(self) -> Self:
        watch.set_current(self._watch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._release()
        finally:
            watch.set_current(None)
            if kind is not None and not issubclass(kind, reasons.Broken):
                self._tell_called_off()

    def open(self, target: urls.Target, *, accept: str) -> None:
        """Send the request and read the header of a usable 200.

        Sets `length` (None when the server names none), `framed` (the end of the body will be
        certain) and `encoding`.
        Raises: reasons.Broken, Cancelled, errors.CredentialsError, errors.LocalTrouble.
        """
        self._token = self._client.token()
        for _ in range(self._client.max_redirects + 1):
            self._label = target.label
            self._send(target, accept)
            following = self._redirect(target)
            if following is None:
                break
            target = following
            self._release()
        else:
            raise reasons.Broken(outcome.Kind.CLIENT_ERROR, "redirect_loop")
        self._judge()
        self._read_framing()
        self._watch.begin_body()

    def elapsed(self) -> float:
        """Seconds since the attempt began."""
        return self._watch.elapsed()

    def allow(self, longest_bytes: int) -> None:
        """Stretch the deadline so that `longest_bytes` may come at the minimum rate."""
        timeouts = self._client.timeouts
        patience = max(timeouts.deadline_s, longest_bytes / timeouts.min_rate_bytes_s)
        self._watch.deadline = self._watch.started + patience

    def read_into(self, view: memoryview) -> int:
        """Fill `view` from the body as it came over the wire; 0 means it is complete.

        Raises: reasons.Broken (truncated, time-outs, reset...), Cancelled.
        """
        assert self._answer is not None
        self._watch.check()
        try:
            count = self._answer.body_into(view)
        except classify.NETWORK_ERRORS as error:
            raise classify.by_exception(error) from None
        finally:
            self.received_bytes = self._answer.taken
        self._complete = self._answer.isclosed()
        if len(self._caught) < scrub.CAUGHT_BYTES:
            self._caught += view[: min(count, scrub.CAUGHT_BYTES - len(self._caught))]
        return count

    def succeeded(self) -> outcome.Attempt:
        """The outcome of an attempt that brought what was promised."""
        return self._tell(self._attempt(outcome.Kind.SUCCESS, "ok", ""))

    def failed(self, broken: reasons.Broken) -> outcome.Attempt:
        """The outcome of an attempt that `broken` ended."""
        detail = f"{self._label}: {broken.detail}"
        return self._tell(self._attempt(broken.kind, broken.reason, detail, sample=self._sample()))

    def _tell(self, attempt: outcome.Attempt) -> outcome.Attempt:
        """Count the request, before the caller can do anything with what it brought."""
        if self._asked and not self._told and self._client.meters is not None:
            self._client.meters.request(attempt)
        self._told = True
        return attempt

    def _tell_called_off(self) -> None:
        if self._asked and not self._told and self._client.meters is not None:
            self._client.meters.request_cancelled(
                self.role, duration_s=self._watch.elapsed(), received_bytes=self.received_bytes
            )
        self._told = True

    def _count_resent(self) -> None:
        self._asked = False  # the one that may follow is another request
        if self._client.meters is not None:
            self._client.meters.request_resent(self.role)

    def _attempt(
        self, kind: outcome.Kind, reason: str, detail: str, sample: bytes = b""
    ) -> outcome.Attempt:
        return outcome.Attempt(
            kind=kind,
            role=self.role,
            reason=reason,
            detail=detail,
            status=self.status,
            retry_after_s=self._retry_after_s,
            sample=sample,
            duration_s=self._watch.elapsed(),
            received_bytes=self.received_bytes,
        )

    def _send(self, target: urls.Target, accept: str) -> None:
        connections = self._client.connections_for(target)
        request = self._client.request(target, token=self._token, accept=accept)
        answer = self._ask(connections, request, fresh=False)
        if answer is None:
            # The server closed an idle connection just as we used it: not a failure of anybody.
            self._count_resent()
            answer = self._ask(connections, request, fresh=True)
        assert answer is not None
        self._answer = answer
        self.status = answer.status

    def _ask(
        self, connections: pool.Connections, request: bytes, *, fresh: bool
    ) -> response.StrictResponse | None:
        """The answer, or None when a kept connection was stale and another may be tried."""
        self._watch.begin_request()
        self._asked = True
        line: pool.Line | None = None
        try:
            line = connections.take(fresh=fresh)
            answer = line.ask(request)
        except classify.NETWORK_ERRORS as error:
            broken = classify.by_exception(error)
            if line is None or not line.reused or self._watch.received:
                raise broken from None
            if broken.reason not in ("closed", "reset"):
                raise broken from None
            connections.distrust()
            if not self._resend(line.rested_s):
                raise broken from None
            return None
        else:
            self._line, self._connections = line, connections
            return answer
        finally:
            if line is not None and self._line is None:
                connections.give(line, reusable=False)

    def _redirect(self, target: urls.Target) -> urls.Target | None:
        assert self._answer is not None
        location = self._answer.headers.get("Location")
        if self.status not in _REDIRECTS or not location or not self._client.max_redirects:
            return None
        try:
            following = urls.absolute(urljoin(f"{target.origin}{target.path}", location))
        except ValueError:
            raise reasons.Broken(outcome.Kind.CLIENT_ERROR, "redirect_refused") from None
        if following.origin != target.origin:
            raise reasons.Broken(outcome.Kind.CLIENT_ERROR, "redirect_foreign")
        return following

    def _judge(self) -> None:
        assert self._answer is not None and self.status is not None
        headers = self._answer.headers
        self.date = headers.get("Date")
        self._retry_after_s = retry_after.parse(
            headers.get("Retry-After"), date=self.date, now=self._client.now()
        )
        judged = classify.by_status(self.status, retry_after_s=self._retry_after_s)
        if judged is None:
            return
        self._drain_error()
        phrase = reasons.TABLE[judged[1]]
        raise reasons.Broken(*judged, f"answered {self.status} ({phrase})")

    def _drain_error(self) -> None:
        """Take a sample of an error's body, briefly: the outcome is known already."""
        self._watch.hurry(_ERROR_BODY_S)
        view = memoryview(bytearray(_ERROR_BODY_BYTES))
        try:
            self.read_into(view)
        except (reasons.Broken, watch.Cancelled):
            self._complete = False

    def _read_framing(self) -> None:
        assert self._answer is not None
        headers = self._answer.headers
        lengths = set(headers.get_all("Content-Length", ()))
        codings = ",".join(headers.get_all("Transfer-Encoding", ())).strip().lower()
        if codings != ("chunked" if self._answer.chunked else "") or len(lengths) > 1:
            raise reasons.bad_content("bad_header")
        if lengths and not codings:
            text = lengths.pop().strip()
            if not _DIGITS.fullmatch(text):
                raise reasons.bad_content("bad_header", "Content-Length is no number")
            self.length = int(text)
        self.framed = self.length is not None or self._answer.chunked
        encoding = headers.get("Content-Encoding", "").strip().lower()
        self.encoding = "" if encoding == "identity" else encoding

    def _release(self) -> None:
        answer, self._answer = self._answer, None
        line, self._line = self._line, None
        if answer is None or line is None or self._connections is None:
            return
        answer.close()
        self._connections.give(line, reusable=self._complete and not answer.will_close)
        self._complete = False

    def _sample(self) -> bytes:
        return scrub.sample(bytes(self._caught), self._token)
