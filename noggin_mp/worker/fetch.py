"""Requests through the gate: a record and its attachments; what is not charged waits."""

import dataclasses
import datetime
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from noggin_mp.domain import attachments, breaker, names, outcome, paths, record
from noggin_mp.gateway import files, http, media, objects
from noggin_mp.observe import metrics
from noggin_mp.store import queue, records, settle
from noggin_mp.worker import gate as gates
from noggin_mp.worker import results

MAX_UNCHARGED = 20
"""After so many uncharged failures in a row the TIP goes back to the queue for somebody else."""

_A_WAIT_S = 0.01
"""An open gate answers within this time, on a busy machine too: less is no wait."""

T = TypeVar("T", objects.Fetched, media.Downloaded)
Send = Callable[[Callable[[], bool], Callable[[float], bool]], T]
"""Makes one request; told how to ask whether it is called off, and may be sent once more."""


class GaveUp(Exception):
    """The gate stays shut, or the work was called off: hand the TIP back uncharged."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Postponed(Exception):
    """It is not known yet whether the TIP is to blame: try it again in `retry_s`, uncharged."""

    def __init__(self, attempt: outcome.Attempt, retry_s: float) -> None:
        super().__init__(attempt.reason)
        self.attempt = attempt
        self.retry_s = retry_s


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Makes a job's requests; `patience_s` is how long one of them may wait for the gate.

    `host` is the API's, by which breaker scopes and their metrics are named.
    """

    gate: gates.Gate
    host: str
    client: http.Client
    limits: media.MediaLimits
    hashes: tuple[str, ...]
    meters: metrics.Metrics
    patience_s: float

    def fetch_record(
        self, item: queue.Leased, *, endpoint: str, cancelled: Callable[[], bool]
    ) -> objects.Fetched:
        """The record's body, or the attempt that settles the matter: not found, or charged.

        Raises: GaveUp, http.Cancelled, and our own troubles.
        """
        return self._through_gate(
            outcome.Role.API,
            item,
            cancelled,
            lambda called_off, resend: objects.fetch(
                self.client, endpoint=endpoint, tip=item.tip, cancelled=called_off, resend=resend
            ),
        )

    def fetch_attachments(
        self,
        item: queue.Leased,
        parsed: record.ParsedRecord,
        plan: paths.Plan,
        *,
        folder: Path,
        known: Mapping[str, records.KnownFile],
        cancelled: Callable[[], bool],
    ) -> list[results.AttachmentResult]:
        """Every attachment of the record: kept when it is complete already, else downloaded.

        Raises: GaveUp, http.Cancelled, and our own troubles.
        """
        owners = {Path(file.filename).stem.casefold(): tip for tip, file in known.items()}
        found = []
        for ref in parsed.attachments:
            stem = plan.stems[ref.tip]
            if owners.get(stem.casefold(), ref.tip) != ref.tip:
                # The record changed since: the planned name belongs to another of its files.
                stem = f"{stem}-{names.digest(ref.tip, chars=8)}"
            found.append(self._attachment(item, ref, stem, folder, known.get(ref.tip), cancelled))
        return found + [_malformed(bad) for bad in parsed.bad_attachments]

    def _attachment(
        self,
        item: queue.Leased,
        ref: attachments.AttachmentRef,
        stem: str,
        folder: Path,
        known: records.KnownFile | None,
        cancelled: Callable[[], bool],
    ) -> results.AttachmentResult:
        if known is not None and Path(known.file_path).parent == folder and _intact(known):
            self.meters.attachment("kept")
            return results.AttachmentResult(row=_kept(ref, known))
        target = self.client.resolve(ref.url, ref.tip)
        started = datetime.datetime.now(datetime.UTC)
        if isinstance(target, media.Refusal):
            self.meters.attachment("refused")
            return _failed(ref, media.refused(target), started, validation="refused")
        downloaded = self._through_gate(
            outcome.Role.MEDIA,
            item,
            cancelled,
            lambda called_off, resend: media.download(
                self.client,
                url_or_path=target,
                tip=ref.tip,
                folder=folder,
                stem=stem,
                token=item.token,
                limits=self.limits,
                hashes=self.hashes,
                cancelled=called_off,
                resend=resend,
            ),
        )
        if downloaded.file is not None:
            self.meters.attachment("published", downloaded.file.size_bytes)
            return _downloaded(ref, downloaded.file, started)
        attempt = downloaded.attempt
        gone = attempt.kind is outcome.Kind.NOT_FOUND
        self.meters.attachment("missing" if gone else "failed")
        return _failed(ref, attempt, started, validation="not_found" if gone else attempt.reason)

    def _through_gate(
        self,
        role: outcome.Role,
        item: queue.Leased,
        cancelled: Callable[[], bool],
        send: "Send[T]",
    ) -> T:
        """One request that counts: what is not the TIP's fault is tried again later."""
        for _ in range(MAX_UNCHARGED):
            permit = self._permit(role, cancelled)
            done = self._send(permit, cancelled, send)
            attempt = done.attempt
            verdict = self.gate.report(permit, attempt, tip=item.tip)
            final = attempt.kind in (outcome.Kind.SUCCESS, outcome.Kind.NOT_FOUND)
            if final or verdict.charged:
                return done
            if verdict.hand_back:
                raise Postponed(attempt, verdict.retry_s)
        raise GaveUp("uncharged")

    def _permit(self, role: outcome.Role, cancelled: Callable[[], bool]) -> gates.Permit:
        """Leave to send one request. Raises: GaveUp when the gate stays shut for too long."""
        asked = time.monotonic()
        scope = breaker.scope(self.host, role)
        try:
            permit = self.gate.acquire(role, cancelled=cancelled, give_up_s=self.patience_s)
        except gates.Refused as refused:
            raise GaveUp(refused.reason) from None
        finally:
            waited_s = time.monotonic() - asked
            if waited_s >= _A_WAIT_S:
                self.meters.gate_wait(scope, waited_s)
        if permit.probe:
            self.meters.probe(permit.scope)
        return permit

    def _send(
        self,
        permit: gates.Permit,
        cancelled: Callable[[], bool],
        send: "Send[T]",
    ) -> T:
        """The request's end; a probe that outlives its deadline is called off and timed out."""
        overdue = math.inf if permit.deadline_s is None else permit.begun + permit.deadline_s

        def called_off() -> bool:
            if cancelled():
                return True
            if time.monotonic() > overdue:
                http.overdue()
            return False

        try:
            return send(called_off, lambda rested_s: self.gate.may_resend(permit, rested_s))
        except BaseException:
            self.gate.abandon(permit)
            raise


def _intact(known: records.KnownFile) -> bool:
    return files.verify_existing(
        Path(known.file_path), size_bytes=known.size_bytes, sha256=known.sha256
    )


def _kept(ref: attachments.AttachmentRef, known: records.KnownFile) -> settle.AttachmentRow:
    return settle.AttachmentRow(
        attachment_tip=ref.tip,
        attachment_sequence=ref.sequence,
        field_name=ref.field,
        attachment_status="complete",
        attachment_validation_status="valid",
        filename=known.filename,
        file_path=known.file_path,
        content_type=known.content_type,
        file_size_bytes=known.size_bytes,
        file_hash_sha256=known.sha256,
        file_hash_md5=known.md5,
        download_started_at=known.started_at,
        download_completed_at=known.completed_at,
        download_duration_seconds=known.duration_s,
        host=known.host,
    )


def _downloaded(
    ref: attachments.AttachmentRef, file: media.PublishedFile, started: datetime.datetime
) -> results.AttachmentResult:
    row = settle.AttachmentRow(
        attachment_tip=ref.tip,
        attachment_sequence=ref.sequence,
        field_name=ref.field,
        attachment_status="complete",
        attachment_validation_status="valid",
        filename=file.path.name,
        file_path=str(file.path),
        content_type=file.content_type,
        file_size_bytes=file.size_bytes,
        file_hash_sha256=file.sha256,
        file_hash_md5=file.md5,
        download_started_at=started,
        download_completed_at=datetime.datetime.now(datetime.UTC),
        download_duration_seconds=round(file.duration_s, 3),
    )
    return results.AttachmentResult(row=row, downloaded_bytes=file.size_bytes)


def _failed(
    ref: attachments.AttachmentRef,
    attempt: outcome.Attempt,
    started: datetime.datetime,
    *,
    validation: str,
) -> results.AttachmentResult:
    message = f"attachment {ref.sequence}: {attempt.reason}: {attempt.detail}"
    row = settle.AttachmentRow(
        attachment_tip=ref.tip,
        attachment_sequence=ref.sequence,
        field_name=ref.field,
        attachment_status="not_found" if validation == "not_found" else "failed",
        attachment_validation_status=validation,
        validation_error_message=attempt.detail,
        download_started_at=started,
        last_error_message=message,
    )
    failure = settle.Failure(
        error_type=f"attachment_{row.attachment_status}",
        message=message,
        details={"attachment_tip": ref.tip, **results.details(attempt)},
    )
    return results.AttachmentResult(row=row, failure=failure)


def _malformed(bad: attachments.BadAttachment) -> results.AttachmentResult:
    message = f"attachment {bad.sequence}: {bad.reason}: {bad.item}"
    row = settle.AttachmentRow(
        attachment_tip=bad.tip,
        attachment_sequence=bad.sequence,
        field_name=bad.field,
        attachment_status="failed",
        attachment_validation_status="refused",
        validation_error_message=bad.reason,
        last_error_message=message,
    )
    failure = settle.Failure(
        error_type="attachment_failed", message=message, details={"item": bad.item}
    )
    return results.AttachmentResult(row=row, failure=failure)
