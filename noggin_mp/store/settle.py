"""Settle: one transaction writes a batch of results, each while its lease and gen hold."""

import dataclasses
import datetime
import enum
from collections.abc import Mapping, Sequence

import psycopg
from psycopg.types.json import Jsonb

from noggin_mp.domain.tip import LeaseToken, Status, Tip
from noggin_mp.store import queue, session, statements


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One row for processing_errors."""

    error_type: str
    message: str
    details: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRow:
    """One row for attachments; the fields are its columns."""

    attachment_tip: str
    attachment_sequence: int
    field_name: str
    attachment_status: str
    filename: str | None = None
    file_path: str | None = None
    content_type: str | None = None
    file_size_bytes: int | None = None
    file_hash_md5: str | None = None
    file_hash_sha256: str | None = None
    attachment_validation_status: str | None = None
    validation_error_message: str | None = None
    download_started_at: datetime.datetime | None = None
    download_completed_at: datetime.datetime | None = None
    download_duration_seconds: float | None = None
    last_error_message: str | None = None
    host: str | None = None
    """Who wrote the file; with None, for a complete one, the host that settles."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of one leased TIP, ready to be written.

    `record` maps noggin_data columns to values when the record was fetched, else None.
    `retry_in_s` is the delay until the next try, by the database's clock (None = none planned).
    """

    token: LeaseToken
    tip: Tip
    gen: int
    status: Status
    retry_count: int
    worker_id: str
    interruptions: int = 0
    retry_in_s: float | None = None
    permanently_failed: bool = False
    error_message: str | None = None
    object_code: str | None = None
    record: Mapping[str, object] | None = None
    attachments: tuple[AttachmentRow, ...] = ()
    unknown_hashes: tuple[tuple[str, str], ...] = ()
    failures: tuple[Failure, ...] = ()


class Fate(enum.Enum):
    """What happened to one settlement."""

    WRITTEN = "written"
    LEASE_LOST = "lease_lost"
    SUPERSEDED = "superseded"  # somebody edited or deleted the row meanwhile: their word stands
    LOCKED = "locked"  # somebody holds the row just now: buffer it again
    BAD_ROW = "bad_row"  # a value Postgres refuses: charge this one


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The fate of each settlement, in order; `errors` names the refusal of each bad row."""

    fates: tuple[Fate, ...]
    errors: Mapping[int, str] = dataclasses.field(default_factory=dict)


def settle(
    connection: session.Connection,
    settlements: Sequence[Settlement],
    *,
    finished: Sequence[LeaseToken],
) -> Settled:
    """Write `settlements` under their fences and drop the `finished` leases, in one transaction.

    A lease is finished when nothing of it is left to settle after this batch; the lease of a row
    that has to be buffered again is kept. One TIP may occur once per call. A row that Postgres
    refuses does not fail the batch: the rest is then settled one by one.

    Raises: psycopg.Error when the database fails us; nothing was written then.
    """
    try:
        return Settled(fates=_write(connection, settlements, finished))
    except psycopg.Error as error:
        if not queue.is_bad_row(error):
            raise
    return _one_by_one(connection, settlements, finished)


def _one_by_one(
    connection: session.Connection,
    settlements: Sequence[Settlement],
    finished: Sequence[LeaseToken],
) -> Settled:
    fates: list[Fate] = []
    errors: dict[int, str] = {}
    for number, settlement in enumerate(settlements):
        try:
            fates += _write(connection, [settlement], [])
        except psycopg.Error as error:
            if not queue.is_bad_row(error):
                raise
            fates.append(Fate.BAD_ROW)
            errors[number] = error.diag.message_primary or error.__class__.__name__
    again = {
        s.token
        for s, fate in zip(settlements, fates, strict=True)
        if fate in (Fate.LOCKED, Fate.BAD_ROW)
    }
    done = [token for token in finished if token not in again]
    if done:
        connection.execute(statements.statement("settle_finish"), {"tokens": done})
    return Settled(fates=tuple(fates), errors=errors)


def _write(
    connection: session.Connection,
    settlements: Sequence[Settlement],
    finished: Sequence[LeaseToken],
) -> tuple[Fate, ...]:
    with connection.transaction():
        held = _fence(connection, settlements, finished)
        fates = _lock(connection, settlements, held)
        passed = [s for s, f in zip(settlements, fates, strict=True) if f is Fate.WRITTEN]
        again = {s.token for s, f in zip(settlements, fates, strict=True) if f is Fate.LOCKED}
        done = [token for token in finished if token not in again]
        with connection.pipeline():
            _rows(connection, passed)
            _children(connection, passed)
            if done:
                connection.execute(statements.statement("settle_finish"), {"tokens": done})
    return fates


def _fence(
    connection: session.Connection,
    settlements: Sequence[Settlement],
    finished: Sequence[LeaseToken],
) -> frozenset[LeaseToken]:
    tokens = sorted({s.token for s in settlements} | set(finished))
    rows = connection.execute(statements.statement("settle_fence"), {"tokens": tokens}).fetchall()
    return frozenset(LeaseToken(row[0]) for row in rows)


def _lock(
    connection: session.Connection,
    settlements: Sequence[Settlement],
    held: frozenset[LeaseToken],
) -> tuple[Fate, ...]:
    """Lock the rows in TIP order, stepping over those somebody holds; tell each one's fate."""
    fenced = [s for s in settlements if s.token in held]
    locked = _tips(connection, "settle_lock", fenced)
    missing = [s for s in fenced if s.tip not in locked]
    busy = _tips(connection, "settle_missing", missing)

    def fate(settlement: Settlement) -> Fate:
        if settlement.token not in held:
            return Fate.LEASE_LOST
        if settlement.tip in locked:
            return Fate.WRITTEN
        return Fate.LOCKED if settlement.tip in busy else Fate.SUPERSEDED

    return tuple(fate(settlement) for settlement in settlements)


def _tips(
    connection: session.Connection, name: str, settlements: Sequence[Settlement]
) -> frozenset[str]:
    if not settlements:
        return frozenset()
    rows = connection.execute(
        statements.statement(name),
        {"tips": [s.tip for s in settlements], "gens": [s.gen for s in settlements]},
    ).fetchall()
    return frozenset(row[0] for row in rows)


def _rows(connection: session.Connection, passed: Sequence[Settlement]) -> None:
    states = [_state(s) for s in passed if s.record is None]
    records = [{**_plain(s.record), **_state(s)} for s in passed if s.record is not None]
    for name, rows in (("settle_states", states), ("settle_records", records)):
        _execute(connection, name, rows)


def _state(settlement: Settlement) -> dict[str, object]:
    row: dict[str, object] = {
        "tip": settlement.tip,
        "gen": settlement.gen,
        "processing_status": settlement.status,
        "interruptions": settlement.interruptions,
        "retry_count": settlement.retry_count,
        "retry_in_s": settlement.retry_in_s,
        "permanently_failed": settlement.permanently_failed,
        "last_error_message": settlement.error_message,
        "worker_id": settlement.worker_id,
    }
    if settlement.object_code is not None:
        row["object_code"] = settlement.object_code
    return row


def _children(connection: session.Connection, passed: Sequence[Settlement]) -> None:
    attachments = [
        {"record_tip": s.tip, **_plain(dataclasses.asdict(row)), "host": _writer(s, row)}
        for s in passed
        for row in s.attachments
    ]
    failures = [
        {
            "tip": s.tip,
            "error_type": failure.error_type,
            "error_message": failure.message,
            "error_details": dict(failure.details),
            "retry_attempt": s.retry_count,
            "worker_id": s.worker_id,
        }
        for s in passed
        for failure in s.failures
    ]
    unknown = [
        {"entity_type": entity, "hash_value": value}
        for s in passed
        for entity, value in s.unknown_hashes
    ]
    _execute(connection, "settle_attachments", attachments)
    _execute(connection, "settle_errors", failures)
    _execute(connection, "settle_unknown", unknown)
    tips = [s.tip for s in passed if s.status is Status.COMPLETE and s.retry_count == 0]
    if tips:
        connection.execute(statements.statement("settle_resolve_errors"), {"tips": tips})


def _writer(settlement: Settlement, row: AttachmentRow) -> str | None:
    """The host that wrote an attachment's file; `worker_id` is host/slot."""
    if row.attachment_status != "complete":
        return None
    return row.host or settlement.worker_id.rpartition("/")[0] or None


def _execute(
    connection: session.Connection, name: str, rows: Sequence[Mapping[str, object]]
) -> None:
    if rows:
        connection.execute(statements.statement(name), {"rows": Jsonb(rows)})


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    """The row with dates and times as ISO text, which is what JSON can carry."""
    return {
        key: value.isoformat() if isinstance(value, datetime.date) else value
        for key, value in row.items()
    }
