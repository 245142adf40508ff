"""A CSV export loaded: all of it or nothing, in file order, and the same again when run again."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from noggin_mp.domain import errors, rows
from noggin_mp.domain.object_types import Catalogue, ObjectType
from noggin_mp.ingest import records, text_file
from noggin_mp.store import audit, session, sources

BATCH_ROWS: Final = 20_000
"""Rows per COPY: rejects wait in memory for the end of one, and progress is told in between."""
SHOWN_REJECTS: Final = 20
_BATCH_REJECTS: Final = 2_000

Progress = Callable[[int], None]
"""Called now and then with the bytes of the file read so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How files are to be loaded, and for whom; `waiting` tells of another import at work."""

    catalogue: Catalogue
    zone: tzinfo
    asked: ObjectType | None
    loaded_by: str
    dry_run: bool = False
    progress: Progress = lambda _: None
    waiting: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What loading one file came to. `source_id` is None in a dry run.

    `typed` counts TIPs that were known without a type and learnt it here. `same_as` is the earlier
    load of exactly this content; when this load changed nothing, `source_id` is that load's.
    """

    file: str
    source_id: int | None
    version: int | None
    same_as: int | None
    read: int
    imported: int
    known: int
    duplicates: int
    rejected: int
    typed: int
    rejects: tuple[sources.Rejected, ...]
    seconds: float

    @property
    def rows_per_s(self) -> float:
        """The rate over the whole load."""
        return self.read / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Counts while a file is read."""

    staged: int = 0
    rejected: int = 0
    last_row: int = 0
    shown: list[sources.Rejected] = field(default_factory=list)


def examine(file: text_file.TextFile, order: Order) -> rows.Header:
    """What the file's header says; call it for every file before loading the first.

    Raises: InputError when the file is empty, has no TIP column, or does not tell its type.
    """
    with file.lines() as lines:
        return _begin(records.Records(lines, label=file.label), order)[0]


def load(connection: session.Connection, file: text_file.TextFile, order: Order) -> Report:
    """What came of loading `file`; in a dry run, what would.

    Everything happens in one transaction, so a load that is killed leaves nothing behind.

    Raises: InputError when the file cannot be used; nothing of it is taken then.
    """
    began = time.monotonic()
    with connection.transaction():
        sources.no_deadline(connection)
        loading = None if order.dry_run else _open_source(connection, file, order)
        sources.open_staging(connection)
        tally = _stage(connection, file, order, loading)
        file.check_unchanged()
        if loading is None:
            merged = sources.compare(connection)
        else:
            names = {one.code: one.name for one in order.catalogue.types}
            merged = sources.merge(connection, source_id=loading.source_id, names=names)
        counts = sources.Counts(
            read=tally.staged + tally.rejected,
            imported=merged.imported,
            known=merged.distinct - merged.imported,
            duplicates=tally.staged - merged.distinct,
            rejected=tally.rejected,
            last_row=tally.last_row,
        )
        earlier = sources.same_content(connection, sha256=file.sha256, kind=sources.TIPS)
        source = None
        if loading is not None:
            source = _close_source(connection, file, order, loading, counts, merged, earlier)
    return Report(
        file=file.label,
        source_id=source.source_id if source else None,
        version=source.version if source else None,
        same_as=earlier.source_id if earlier else None,
        read=counts.read,
        imported=counts.imported,
        known=counts.known,
        duplicates=counts.duplicates,
        rejected=counts.rejected,
        typed=merged.typed,
        rejects=tuple(tally.shown),
        seconds=time.monotonic() - began,
    )


def _begin(found: records.Records, order: Order) -> tuple[rows.Header, Iterator[records.Record]]:
    """The header, and the records below it. Raises: InputError."""
    cells, first = records.header(found)
    sample = first.cells[0] if first is not None and first.cells else ""
    try:
        header = rows.read_header(
            cells, catalogue=order.catalogue, zone=order.zone, asked=order.asked, sample=sample
        )
    except errors.InputError as error:
        raise errors.InputError(f"{found.label} {error.message}", remedy=error.remedy) from error
    return header, itertools.chain([] if first is None else [first], found)


def _open_source(
    connection: session.Connection, file: text_file.TextFile, order: Order
) -> sources.Loading:
    if not sources.lock(connection, wait=False):
        order.waiting()
        sources.lock(connection, wait=True)
    return sources.begin(
        connection,
        sources.Description(
            filename=file.filename,
            sha256=file.sha256,
            kind=sources.TIPS,
            size_bytes=file.size_bytes,
            loaded_by=order.loaded_by,
            object_code=order.asked.code if order.asked else None,
        ),
    )


def _stage(
    connection: session.Connection,
    file: text_file.TextFile,
    order: Order,
    loading: sources.Loading | None,
) -> _Tally:
    """The whole file parsed into the staging table and failed_records, batch by batch."""
    tally = _Tally()
    with file.lines() as lines:
        found = records.Records(lines, label=file.label)
        header, below = _begin(found, order)
        more = True
        while more:
            rejected: list[sources.Rejected] = []
            with sources.staging(connection) as write:
                more = _stage_batch(below, found, header, write, tally, rejected)
            tally.rejected += len(rejected)
            tally.shown.extend(rejected[: SHOWN_REJECTS - len(tally.shown)])
            if loading is not None:
                sources.reject(connection, source_id=loading.source_id, rejected=rejected)
            order.progress(file.position)
    return tally


def _stage_batch(
    below: Iterator[records.Record],
    found: records.Records,
    header: rows.Header,
    write: Callable[[int, rows.Row], None],
    tally: _Tally,
    rejected: list[sources.Rejected],
) -> bool:
    """True when there may be more after this batch."""
    for taken, record in enumerate(below, start=1):
        outcome = rows.Reject(reason=record.fault) if record.fault else header.read(record.cells)
        tally.last_row = record.line
        if isinstance(outcome, rows.Row):
            write(record.line, outcome)
            tally.staged += 1
        else:
            rejected.append(
                sources.Rejected(line=record.line, reason=outcome.reason, raw=found.raw)
            )
        if taken == BATCH_ROWS or len(rejected) == _BATCH_REJECTS:
            return True
    return False


def _close_source(
    connection: session.Connection,
    file: text_file.TextFile,
    order: Order,
    loading: sources.Loading,
    counts: sources.Counts,
    merged: sources.Merged,
    earlier: sources.Earlier | None,
) -> sources.Loading:
    """The source this load stands under: the earlier one when the same file brought nothing."""
    idle = counts.imported == 0 and merged.typed == 0
    if earlier is not None and idle and counts.rejected == earlier.rejected:
        sources.forget(connection, source_id=loading.source_id)
        return sources.Loading(source_id=earlier.source_id, version=earlier.version)
    sources.finish(connection, source_id=loading.source_id, counts=counts)
    audit.write(
        connection,
        audit.Entry(
            who=order.loaded_by,
            action="import",
            target=file.filename,
            affected=counts.imported + merged.typed,
            details={"source_id": loading.source_id, "rejected": counts.rejected},
        ),
    )
    return loading
