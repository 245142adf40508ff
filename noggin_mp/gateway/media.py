"""Attachments: one GET, streamed to a temporary file, checked, hashed and published whole."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from noggin_mp.domain import outcome
from noggin_mp.gateway import body, content, exchanges, files, http, partial, reasons, urls

Refusal = urls.Refusal
Target = urls.Target
resolve_url = urls.resolve_url

MAX_BYTES = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """What may be saved: size cap in bytes, and types by name (see `content.ALLOWED`)."""

    max_bytes: int = MAX_BYTES
    allowed: frozenset[str] = content.ALLOWED


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """A file that is complete, checked and on disk. `md5` is None when it was not asked for."""

    path: Path
    size_bytes: int
    content_type: str
    extension: str
    sha256: str
    md5: str | None
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """An attempt to get a file; `file` is there when it succeeded.

    `sent` is False when the URL was refused before any request: no sample for breaker or metrics.
    """

    attempt: outcome.Attempt
    file: PublishedFile | None = None
    sent: bool = True


def download(
    client: http.Client,
    *,
    url_or_path: str | Target,
    tip: str = "",
    folder: Path,
    stem: str,
    token: int | str,
    limits: MediaLimits | None = None,
    hashes: tuple[str, ...] = ("sha256", "md5"),
    cancelled: Callable[[], bool] = http.never,
    resend: Callable[[float], bool] = http.always,
) -> Downloaded:
    """The attachment, by one attempt, as `folder/<stem><extension of its real content>`.

    `url_or_path` stands in the record (or was resolved by `client.resolve`), `tip` is the
    attachment's, `token` the lease's; for `resend` see `Client.exchange`. SHA-256 is always
    computed. A file of the same name and content is kept as it is.
    Raises: errors.DiskFull, errors.PathUnusable, errors.CredentialsError, errors.LocalTrouble,
    http.Cancelled; remote trouble is a value.
    """
    target = url_or_path if isinstance(url_or_path, Target) else client.resolve(url_or_path, tip)
    if isinstance(target, Refusal):
        return Downloaded(attempt=refused(target), sent=False)
    exchange = client.exchange(outcome.Role.MEDIA, cancelled=cancelled, resend=resend)
    saving = _Saving(exchange, limits or MediaLimits(), with_md5="md5" in hashes)
    try:
        with exchange:
            exchange.open(target, accept="*/*")
            file = saving.run(folder, stem, token)
    except reasons.Broken as broken:
        return Downloaded(attempt=exchange.failed(broken))
    return Downloaded(attempt=exchange.succeeded(), file=file)


def refused(refusal: Refusal) -> outcome.Attempt:
    """The outcome of a URL that was never requested."""
    return outcome.Attempt(
        kind=outcome.Kind.CLIENT_ERROR,
        role=outcome.Role.MEDIA,
        reason=refusal.reason,
        detail=refusal.detail,
    )


class _Saving:
    """The body of one exchange on its way into one file."""

    def __init__(
        self, exchange: exchanges.Exchange, limits: MediaLimits, *, with_md5: bool
    ) -> None:
        self._exchange = exchange
        self._limits = limits
        self._size_bytes = 0
        self._tail = b""
        self._sha256 = hashlib.sha256()
        # for the operators' reports, never for trust
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def run(self, folder: Path, stem: str, token: int | str) -> PublishedFile:
        """The published file. Raises: reasons.Broken, and what `download` raises."""
        exchange, cap = self._exchange, self._limits.max_bytes
        if exchange.length is not None and exchange.length > cap:
            raise self._too_large()
        exchange.allow(cap if exchange.length is None else exchange.length)
        pieces = body.chunks(exchange)
        first = next(pieces, b"")
        head = bytes(first[: content.HEAD_BYTES])
        found = content.identify(head, allowed=self._limits.allowed)
        name = stem + found.extension
        with partial.Partial(folder, name, token) as new:
            self._take(new, first)
            for piece in pieces:
                self._take(new, piece)
            self._check_end(found, head)
            self._exchange.succeeded()  # counted before there is a file
            return self._publish(new, found, name)

    def _take(self, new: partial.Partial, piece: memoryview | bytes) -> None:
        self._size_bytes += len(piece)
        if self._size_bytes > self._limits.max_bytes:
            raise self._too_large()
        new.write(piece)
        self._sha256.update(piece)
        if self._md5 is not None:
            self._md5.update(piece)
        self._tail = (self._tail + bytes(piece[-content.TAIL_BYTES :]))[-content.TAIL_BYTES :]

    def _check_end(self, found: content.FileType, head: bytes) -> None:
        # a decoder that reached its end has checked a checksum; otherwise HTTP or the content says
        if self._exchange.framed or self._exchange.encoding:
            return
        if not content.is_complete(found, head=head, tail=self._tail, size_bytes=self._size_bytes):
            raise reasons.bad_content("no_length")

    def _publish(self, new: partial.Partial, found: content.FileType, name: str) -> PublishedFile:
        sha256 = self._sha256.hexdigest()
        path = new.folder / name
        if not files.verify_existing(path, size_bytes=self._size_bytes, sha256=sha256):
            new.publish(name)
        return PublishedFile(
            path=path,
            size_bytes=self._size_bytes,
            content_type=found.mime,
            extension=found.extension,
            sha256=sha256,
            md5=self._md5.hexdigest() if self._md5 is not None else None,
            duration_s=self._exchange.elapsed(),
        )

    def _too_large(self) -> reasons.Broken:
        cap = self._limits.max_bytes
        return reasons.bad_content("too_large", f"the file is over the cap of {cap} bytes")
