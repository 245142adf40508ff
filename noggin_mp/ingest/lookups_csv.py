"""A CSV of names loaded: which hash is called what; all of it or nothing."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from noggin_mp.domain import errors, lookup_rows, rows
from noggin_mp.ingest import records, text_file
from noggin_mp.store import audit, lookups, session, sources

SHOWN_REJECTS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What kind of entity the names are of, and who loads them."""

    kind: str
    loaded_by: str
    dry_run: bool = False
    progress: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What loading one file came to; `resolved` hashes were waiting for their name."""

    file: str
    source_id: int | None
    read: int
    added: int
    renamed: int
    unchanged: int
    duplicates: int
    rejected: int
    resolved: int
    rejects: tuple[sources.Rejected, ...]
    seconds: float


@dataclass(slots=True, kw_only=True)
class _Tally:
    staged: int = 0
    last_row: int = 0
    rejected: list[sources.Rejected] = field(default_factory=list)


def examine(file: text_file.TextFile, order: Order) -> lookup_rows.Header:
    """What the file's header says. Raises: InputError when hash or name has no column."""
    with file.lines() as lines:
        return _begin(records.Records(lines, label=file.label), order)[0]


def load(connection: session.Connection, file: text_file.TextFile, order: Order) -> Report:
    """What came of loading `file`; in a dry run, what would.

    Raises: InputError when the file cannot be used; nothing of it is taken then.
    """
    began = time.monotonic()
    with connection.transaction():
        sources.no_deadline(connection)
        lookups.open_staging(connection)
        tally = _stage(connection, file, order)
        file.check_unchanged()
        if order.dry_run:
            merged, source_id = lookups.compare(connection), None
        else:
            sources.lock(connection, wait=True)
            merged = lookups.merge(connection, source=file.filename)
            source_id = _remember(connection, file, order, tally, merged)
    return Report(
        file=file.label,
        source_id=source_id,
        read=tally.staged + len(tally.rejected),
        added=merged.added,
        renamed=merged.renamed,
        unchanged=merged.distinct - merged.added - merged.renamed,
        duplicates=tally.staged - merged.distinct,
        rejected=len(tally.rejected),
        resolved=merged.resolved,
        rejects=tuple(tally.rejected[:SHOWN_REJECTS]),
        seconds=time.monotonic() - began,
    )


def _begin(
    found: records.Records, order: Order
) -> tuple[lookup_rows.Header, Iterator[records.Record]]:
    cells, first = records.header(found)
    try:
        header = lookup_rows.read_header(cells, kind=order.kind)
    except errors.InputError as error:
        raise errors.InputError(f"{found.label} {error.message}", remedy=error.remedy) from error
    return header, itertools.chain([] if first is None else [first], found)


def _stage(connection: session.Connection, file: text_file.TextFile, order: Order) -> _Tally:
    """The whole file in one COPY: name lists are small, their rejects fewer still."""
    tally = _Tally()
    with file.lines() as lines, lookups.staging(connection) as write:
        found = records.Records(lines, label=file.label)
        header, below = _begin(found, order)
        for record in below:
            outcome = (
                rows.Reject(reason=record.fault) if record.fault else header.read(record.cells)
            )
            tally.last_row = record.line
            if isinstance(outcome, lookup_rows.Lookup):
                write(record.line, outcome)
                tally.staged += 1
            else:
                tally.rejected.append(
                    sources.Rejected(line=record.line, reason=outcome.reason, raw=found.raw)
                )
    order.progress(file.position)
    return tally


def _remember(
    connection: session.Connection,
    file: text_file.TextFile,
    order: Order,
    tally: _Tally,
    merged: lookups.Merged,
) -> int:
    """The source of the names, with its rejected rows; the earlier one if nothing changed."""
    kind = f"lookups:{order.kind}"
    changed = merged.added + merged.renamed
    earlier = sources.same_content(connection, sha256=file.sha256, kind=kind)
    if earlier is not None and not changed and not merged.resolved:
        return earlier.source_id
    source_id = sources.begin(
        connection,
        sources.Description(
            filename=file.filename,
            sha256=file.sha256,
            kind=kind,
            size_bytes=file.size_bytes,
            loaded_by=order.loaded_by,
        ),
    ).source_id
    sources.reject(connection, source_id=source_id, rejected=tally.rejected)
    sources.finish(
        connection,
        source_id=source_id,
        counts=sources.Counts(
            read=tally.staged + len(tally.rejected),
            imported=changed,
            known=merged.distinct - changed,
            duplicates=tally.staged - merged.distinct,
            rejected=len(tally.rejected),
            last_row=tally.last_row,
        ),
    )
    audit.write(
        connection,
        audit.Entry(
            who=order.loaded_by,
            action="hashes import",
            target=file.filename,
            affected=changed,
            details={"source_id": source_id, "kind": order.kind, "resolved": merged.resolved},
        ),
    )
    return source_id
