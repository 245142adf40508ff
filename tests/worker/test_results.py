"""Every outcome of a job as the row that says so; decisions to retry are handed in."""

import dataclasses
from typing import Any

import pytest

from noggin_mp.domain import errors, outcome, record, retry
from noggin_mp.domain.tip import IllegalMove, LeaseToken, Status, Tip
from noggin_mp.settings import object_types
from noggin_mp.store import queue, settle
from noggin_mp.worker import results
from tests.support import records

TYPE = object_types.load().by_code["LCD"]
AGAIN, DEAD = retry.RetryAt(delay_s=30.0), retry.Dead(attempts=5)
ITEM = queue.Leased(
    token=LeaseToken(7), tip=records.TIP, gen=3, prio=5, object_type="unknown", object_code="LCD",
    status=Status.PENDING, retry_count=2, interruptions=0,
)  # fmt: skip
HTTP_500 = outcome.Attempt(
    kind=outcome.Kind.SERVER_ERROR, role=outcome.Role.API, reason="http_500", detail="HTTP 500",
    status=500, sample=b"o\0ps\xff", duration_s=0.12345,
)  # fmt: skip
MISSING = dataclasses.replace(HTTP_500, kind=outcome.Kind.NOT_FOUND, reason="http_404", status=404)


def again(_: int) -> retry.RetryAt | retry.Dead:
    return AGAIN


def dead(_: int) -> retry.RetryAt | retry.Dead:
    return DEAD


def never(_: int) -> retry.RetryAt | retry.Dead:
    raise AssertionError("nothing is to be decided here")


def seen(settlement: settle.Settlement) -> tuple[object, ...]:
    """What matters of a settlement: status, attempts, delay, dead letter, metric label."""
    return (
        str(settlement.status),
        settlement.retry_count,
        settlement.retry_in_s,
        settlement.permanently_failed,
        results.outcome_of(settlement),
    )


def parsed(urls: int, **limits: Any) -> record.ParsedRecord:
    body = records.body(TYPE, attachments=[records.media(str(number)) for number in range(urls)])
    body["loaderPhotoAttachment"] = []
    return record.parse(body, type_=TYPE, tip=records.TIP, zone=records.PERTH, **limits)


def one(number: int, status: str, validation: str = "valid") -> results.AttachmentResult:
    row = settle.AttachmentRow(
        attachment_tip=records.hex64(str(number)),
        attachment_sequence=number + 1,
        field_name="attachments",
        attachment_status=status,
        attachment_validation_status=validation,
    )
    wrong = settle.Failure(error_type="attachment_failed", message=f"attachment {number + 1}: bad")
    return results.AttachmentResult(row=row, failure=None if status == "complete" else wrong)


def settled(
    files: list[results.AttachmentResult], decide: results.Decide, **limits: Any
) -> settle.Settlement:
    given = parsed(len(files) + limits.pop("beyond", 0), **limits)
    return results.record_settlement(
        ITEM, given, record.resolve(given, {}), files, decide, "host/1"
    )


DONE, FAILED = one(0, "complete"), one(1, "failed", "http_500")
GONE, REFUSED = one(1, "not_found", "not_found"), one(1, "failed", "refused")


@pytest.mark.parametrize(
    ("settlement", "expected"),
    [
        (results.unknown_type(ITEM, "w"), ("failed", 2, None, True, "dead")),
        (results.api_failure(ITEM, TYPE, MISSING, never, "w"),
         ("not_found", 0, None, False, "not_found")),
        (results.api_failure(ITEM, TYPE, HTTP_500, again, "w"),
         ("api_failed", 3, 30.0, False, "retried")),
        (results.api_failure(ITEM, TYPE, HTTP_500, dead, "w"),
         ("api_failed", 5, None, True, "dead")),
        (results.postponed(ITEM, HTTP_500, 1.5, "w"), ("api_failed", 2, 1.5, False, "retried")),
        (results.postponed(ITEM, dataclasses.replace(HTTP_500, role=outcome.Role.MEDIA), 1.5, "w"),
         ("partial", 2, 1.5, False, "partial")),
        (results.bad_record(ITEM, TYPE, record.BadRecord("nul", "a NUL in it"), again, "w"),
         ("api_failed", 3, 30.0, False, "retried")),
        (results.bad_row(ITEM, "value out of range", again, "w"),
         ("failed", 3, 30.0, False, "retried")),
        (results.misfit(ITEM, errors.ConfigError("the template fails"), dead, "w"),
         ("failed", 5, None, True, "dead")),
        (results.bug(ITEM, ValueError("x"), never, "w"), ("failed", 2, 0.0, False, "retried")),
        (results.bug(dataclasses.replace(ITEM, interruptions=1), ValueError("x"), again, "w"),
         ("failed", 3, 30.0, False, "retried")),
        (settled([], never), ("complete", 0, None, False, "complete")),
        (settled([DONE], never), ("complete", 0, None, False, "complete")),
        (settled([DONE, FAILED], again), ("partial", 3, 30.0, False, "partial")),
        (settled([DONE, FAILED], dead), ("partial", 5, None, True, "dead")),
        (settled([DONE, GONE], never), ("partial", 2, None, True, "dead")),
        (settled([DONE, REFUSED], never), ("partial", 2, None, True, "dead")),
        (settled([one(0, "failed", "http_500"), GONE], again),
         ("partial", 3, 30.0, False, "partial")),
        (settled([DONE], never, beyond=1, max_attachments=1), ("partial", 2, None, True, "dead")),
    ],
)  # fmt: skip
def test_settlement_says_what_became_of_the_tip(
    settlement: settle.Settlement, expected: tuple[object, ...]
) -> None:
    assert seen(settlement) == expected
    assert (settlement.token, settlement.tip, settlement.gen) == (7, records.TIP, 3)


def test_record_settlement_counts_files_and_names_what_is_missing() -> None:
    settlement = settled([DONE, FAILED], again, beyond=2, max_attachments=2)
    assert settlement.record is not None
    assert {
        name: settlement.record[name]
        for name in (
            "total_attachments", "completed_attachment_count", "all_attachments_complete",
            "object_code",
        )
    } == {
        "total_attachments": 4, "completed_attachment_count": 1, "all_attachments_complete": False,
        "object_code": "LCD",
    }  # fmt: skip
    assert settlement.error_message == (
        "1 of 4 attachments complete; 2 beyond attachments.max_per_record; attachment 2: bad"
    )
    assert len(settlement.attachments) == 2
    assert ("vehicle", records.hex64("vehicle")) in settlement.unknown_hashes


def test_details_keep_the_start_of_the_body_as_storable_text() -> None:
    assert results.details(HTTP_500) == {
        "kind": "server_error", "reason": "http_500", "http_status": 500, "duration_s": 0.123,
        "body_start": "o\\0ps\\xff",
    }  # fmt: skip


def test_a_fault_of_the_program_is_kept_short_and_bumps_interruptions_once() -> None:
    first = results.bug(ITEM, ValueError("x" * 9000), never, "w")
    assert (first.interruptions, len(first.error_message or "")) == (1, 500)
    later = results.bug(dataclasses.replace(ITEM, interruptions=2), ValueError("x"), again, "w")
    assert later.interruptions == 2


def test_a_settlement_is_refused_when_the_status_cannot_have_been_leased() -> None:
    with pytest.raises(IllegalMove, match="complete"):
        results.unknown_type(dataclasses.replace(ITEM, status=Status.COMPLETE), "w")


def test_postponing_keeps_a_suspect_a_suspect() -> None:
    suspect = dataclasses.replace(ITEM, tip=Tip("x"), interruptions=2)
    assert results.postponed(suspect, HTTP_500, 1.0, "w").interruptions == 2
