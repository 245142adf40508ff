"""From what happened to a TIP to the row that says so; retry decisions are handed in."""

import dataclasses
from collections.abc import Callable, Sequence

from noggin_mp.domain import errors, object_types, outcome, record, retry
from noggin_mp.domain.tip import Status, check_settle
from noggin_mp.store import queue, settle

Decide = Callable[[int], retry.RetryAt | retry.Dead]

NOT_FOUND, COMPLETE, FAILED = "not_found", "complete", "failed"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentResult:
    """One attachment's row, what was downloaded for it now, and why it failed, if it did."""

    row: settle.AttachmentRow
    downloaded_bytes: int = 0
    failure: settle.Failure | None = None


def unknown_type(item: queue.Leased, worker_id: str) -> settle.Settlement:
    """A dead letter, without a request: no configuration knows the type."""
    message = (
        f"no configured object type fits object_code {item.object_code or '(none)'},"
        f" object_type {item.object_type!r}; add one or correct the row, then set it to pending"
    )
    return _settlement(
        item,
        worker_id,
        status=Status.FAILED,
        permanently_failed=True,
        error_message=message,
        failures=(settle.Failure(error_type="unknown_type", message=message),),
    )


def api_failure(
    item: queue.Leased,
    type_: object_types.ObjectType,
    attempt: outcome.Attempt,
    decide: Decide,
    worker_id: str,
) -> settle.Settlement:
    """The record could not be fetched: not found for good, or charged and tried again."""
    message = f"{attempt.reason}: {attempt.detail}" if attempt.detail else attempt.reason
    failure = settle.Failure(
        error_type="not_found" if attempt.kind is outcome.Kind.NOT_FOUND else "api_failed",
        message=message,
        details=details(attempt),
    )
    if attempt.kind is outcome.Kind.NOT_FOUND:
        return _settlement(
            item,
            worker_id,
            status=Status.NOT_FOUND,
            retry_count=0,
            error_message=message,
            object_code=type_.code,
            failures=(failure,),
        )
    return _charged(
        item, worker_id, Status.API_FAILED, message, (failure,), decide, object_code=type_.code
    )


def postponed(
    item: queue.Leased, attempt: outcome.Attempt, retry_s: float, worker_id: str
) -> settle.Settlement:
    """Nobody knows yet whether the TIP or the API is to blame: again soon, uncharged."""
    message = f"{attempt.reason}: {attempt.detail}; not charged"
    media = attempt.role is outcome.Role.MEDIA
    return _settlement(
        item,
        worker_id,
        status=Status.PARTIAL if media else Status.API_FAILED,
        interruptions=item.interruptions,
        retry_in_s=retry_s,
        error_message=message,
        failures=(
            settle.Failure(
                error_type="attachment_failed" if media else "api_failed",
                message=message,
                details=details(attempt),
            ),
        ),
    )


def bad_record(
    item: queue.Leased,
    type_: object_types.ObjectType,
    error: record.BadRecord,
    decide: Decide,
    worker_id: str,
) -> settle.Settlement:
    """The body came, but is not this record: charged and tried again."""
    failure = settle.Failure(
        error_type="bad_record", message=error.detail, details={"reason": error.reason}
    )
    return _charged(
        item, worker_id, Status.API_FAILED, f"{error.reason}: {error.detail}", (failure,), decide,
        object_code=type_.code,
    )  # fmt: skip


def bad_row(item: queue.Leased, message: str, decide: Decide, worker_id: str) -> settle.Settlement:
    """Postgres refuses a value of the record: charged, because it will not get better by itself."""
    failure = settle.Failure(error_type="bad_row", message=message)
    return _charged(
        item,
        worker_id,
        Status.FAILED,
        f"the database refused the record: {message}",
        (failure,),
        decide,
    )


def misfit(
    item: queue.Leased, error: errors.ConfigError, decide: Decide, worker_id: str
) -> settle.Settlement:
    """A layout or template fails on this record: charged, so that it cannot hold up the others."""
    message = str(error)[:500]
    failure = settle.Failure(error_type=error.code, message=message)
    return _charged(item, worker_id, Status.FAILED, message, (failure,), decide)


def bug(item: queue.Leased, error: Exception, decide: Decide, worker_id: str) -> settle.Settlement:
    """A fault of the program: uncharged the first time, charged when it happens again."""
    message = f"fault of the program: {type(error).__name__}: {error}"[:500]
    failure = settle.Failure(error_type="bug", message=message)
    if item.interruptions == 0:
        return _settlement(
            item,
            worker_id,
            status=Status.FAILED,
            interruptions=1,
            retry_in_s=0.0,
            error_message=message,
            failures=(failure,),
        )
    charged = _charged(item, worker_id, Status.FAILED, message, (failure,), decide)
    return dataclasses.replace(charged, interruptions=item.interruptions)


def record_settlement(
    item: queue.Leased,
    parsed: record.ParsedRecord,
    resolved: record.Resolved,
    attachments: Sequence[AttachmentResult],
    decide: Decide,
    worker_id: str,
) -> settle.Settlement:
    """The record was fetched: complete, or partial because of its attachments.

    An attachment that is gone for good makes a dead letter, once nothing else is left to retry.
    """
    complete = sum(one.row.attachment_status == COMPLETE for one in attachments)
    whole = complete == parsed.total_attachments
    columns = {
        **resolved.columns,
        "total_attachments": parsed.total_attachments,
        "completed_attachment_count": complete,
        "all_attachments_complete": whole,
    }
    base = _settlement(
        item,
        worker_id,
        status=Status.COMPLETE,
        retry_count=0,
        record=columns,
        attachments=tuple(one.row for one in attachments),
        unknown_hashes=resolved.unknown,
        failures=tuple(one.failure for one in attachments if one.failure is not None),
    )
    if whole:
        return base
    message = _missing(parsed, attachments, complete)
    base = dataclasses.replace(
        base, status=check_settle(item.status, Status.PARTIAL), error_message=message
    )
    if any(one.row.attachment_status == FAILED and not final(one) for one in attachments):
        return _decided(base, item, decide)
    return dataclasses.replace(base, permanently_failed=True, retry_count=item.retry_count)


def final(result: AttachmentResult) -> bool:
    """True when trying this attachment again cannot help: missing, or no URL we may ask for."""
    return result.row.attachment_validation_status in {NOT_FOUND, "refused"}


def _missing(
    parsed: record.ParsedRecord, attachments: Sequence[AttachmentResult], complete: int
) -> str:
    reasons = sorted({one.failure.message for one in attachments if one.failure is not None})
    beyond = f"; {parsed.too_many} beyond attachments.max_per_record" if parsed.too_many else ""
    return (
        f"{complete} of {parsed.total_attachments} attachments complete{beyond}; "
        + "; ".join(reasons)[:400]
    )


def details(attempt: outcome.Attempt) -> dict[str, object]:
    """What is kept of a failed attempt in processing_errors.error_details."""
    kept: dict[str, object] = {
        "kind": attempt.kind,
        "reason": attempt.reason,
        "http_status": attempt.status,
        "duration_s": round(attempt.duration_s, 3),
    }
    if attempt.sample:
        kept["body_start"] = attempt.sample.decode("utf-8", "backslashreplace").replace("\0", "\\0")
    return kept


def outcome_of(settlement: settle.Settlement) -> str:
    """The metric label: complete, partial, retried, not_found or dead."""
    if settlement.permanently_failed:
        return "dead"
    if settlement.status in (Status.COMPLETE, Status.NOT_FOUND):
        return str(settlement.status)
    return "partial" if settlement.status is Status.PARTIAL else "retried"


def _charged(
    item: queue.Leased,
    worker_id: str,
    status: Status,
    message: str,
    failures: tuple[settle.Failure, ...],
    decide: Decide,
    *,
    object_code: str | None = None,
) -> settle.Settlement:
    base = _settlement(
        item,
        worker_id,
        status=status,
        error_message=message,
        failures=failures,
        object_code=object_code,
    )
    return _decided(base, item, decide)


def _decided(base: settle.Settlement, item: queue.Leased, decide: Decide) -> settle.Settlement:
    verdict = decide(item.retry_count)
    if isinstance(verdict, retry.Dead):
        return dataclasses.replace(base, retry_count=verdict.attempts, permanently_failed=True)
    return dataclasses.replace(base, retry_count=item.retry_count + 1, retry_in_s=verdict.delay_s)


def _settlement(
    item: queue.Leased, worker_id: str, *, status: Status, **fields: object
) -> settle.Settlement:
    whole: dict[str, object] = {
        "token": item.token,
        "tip": item.tip,
        "gen": item.gen,
        "retry_count": item.retry_count,
        "worker_id": worker_id,
        **fields,
    }
    return settle.Settlement(status=check_settle(item.status, status), **whole)  # type: ignore[arg-type]
