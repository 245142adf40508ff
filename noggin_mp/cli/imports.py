"""`import` and `sources`: TIPs and names from CSV files into the database."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import click

from noggin_mp.cli import database, kinds, progress, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.ingest import lookups_csv, text_file, tips_csv
from noggin_mp.store import session
from noggin_mp.store import sources as store


@click.command(
    name="import",
    epilog="""\b
Examples:
  noggin-mp import export.csv
  noggin-mp import tips-only.csv --type LCD
  noggin-mp import vehicles.csv --lookups vehicle
  zcat old.csv.gz | noggin-mp import - --encoding cp1252 --dry-run
""",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@click.option("--type", "type_name", metavar="TYPE", help="Type of every TIP, such as LCD.")
@click.option("--encoding", metavar="NAME", help="Encoding of the files; UTF-8 if not given.")
@click.option("--dry-run", is_flag=True, help="Tell what would happen; change nothing.")
@click.option(
    "--lookups", metavar="KIND", help="The files hold names (vehicle, team...), not TIPs."
)
@pass_context
def import_(
    ctx: Context,
    files: tuple[str, ...],
    type_name: str | None,
    encoding: str | None,
    dry_run: bool,
    lookups: str | None,
) -> int:
    """Load TIPs from CSV exports; importing a file again does no harm.

    Column 1 is the TIP; the type comes from the id column (lcdInspectionId...) or --type. Each file
    is taken as a whole or not at all; rows that cannot be used are listed, and exit code 1 says so.
    """
    if lookups is not None:
        if type_name is not None:
            raise errors.UsageError("--type and --lookups exclude each other", remedy="drop one")
        return load_lookups(ctx, files, kind=lookups, encoding=encoding, dry_run=dry_run)
    catalogue = kinds.catalogue(ctx)
    order = tips_csv.Order(
        catalogue=catalogue,
        zone=ctx.settings.zone,
        asked=kinds.object_type(catalogue, type_name) if type_name else None,
        loaded_by=database.who(ctx),
        dry_run=dry_run,
        waiting=lambda: ctx.note("waiting for another import to finish"),
    )
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(text_file.opened(f, encoding=encoding)) for f in files]
        for file in opened:
            tips_csv.examine(file, order)
        connection = stack.enter_context(database.opened(ctx, "import", create=not dry_run))
        reports = [_load_tips(ctx, connection, file, order) for file in opened]
    ctx.emit(
        {"dry_run": dry_run, "files": [_described(one) for one in reports]},
        lambda: "\n".join(_sentence(one, dry_run=dry_run) for one in reports),
    )
    return int(any(one.rejected for one in reports))


def load_lookups(
    ctx: Context, files: Sequence[str], *, kind: str, encoding: str | None, dry_run: bool
) -> int:
    """Load files of names of one kind, and tell; the exit code."""
    order = lookups_csv.Order(
        kind=kinds.entity(kinds.catalogue(ctx), kind),
        loaded_by=database.who(ctx),
        dry_run=dry_run,
    )
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(text_file.opened(f, encoding=encoding)) for f in files]
        for file in opened:
            lookups_csv.examine(file, order)
        connection = stack.enter_context(database.opened(ctx, "import", create=not dry_run))
        reports = [lookups_csv.load(connection, file, order) for file in opened]
    ctx.emit(
        {"dry_run": dry_run, "kind": order.kind, "files": [_described(one) for one in reports]},
        lambda: "\n".join(_names_sentence(one, order) for one in reports),
    )
    return int(any(one.rejected for one in reports))


def _load_tips(
    ctx: Context, connection: session.Connection, file: text_file.TextFile, order: tips_csv.Order
) -> tips_csv.Report:
    with progress.of_bytes(ctx, file.filename, file.size_bytes) as tell:
        return tips_csv.load(connection, file, dataclasses.replace(order, progress=tell))


def _described(report: tips_csv.Report | lookups_csv.Report) -> dict[str, Any]:
    described = dataclasses.asdict(report) | {"seconds": round(report.seconds, 3)}
    if isinstance(report, tips_csv.Report):
        described["rows_per_s"] = round(report.rows_per_s)
    return described


def _sentence(report: tips_csv.Report, *, dry_run: bool) -> str:
    parts = [
        f"{report.imported:,} {'would be imported' if dry_run else 'imported'}",
        f"{report.known:,} already known",
        f"{report.duplicates:,} duplicates in the file",
        f"{report.rejected:,} rejected",
    ]
    if report.typed:
        parts.append(
            f"{report.typed:,} known TIPs {'would learn' if dry_run else 'learnt'} their type"
        )
    text = f"{report.file}: {report.read:,} rows read: " + ", ".join(parts)
    text += f"; {report.seconds:.1f} s, {report.rows_per_s:,.0f} rows/s"
    if report.same_as is not None:
        text += f"\n  the same content was loaded before as source {report.same_as}; no harm done"
    elif report.version is not None and report.version > 1:
        text += f"\n  version {report.version} of a file of this name"
    return text + _rejects(report)


def _names_sentence(report: lookups_csv.Report, order: lookups_csv.Order) -> str:
    text = (
        f"{report.file}: {report.read:,} rows read: {report.added:,} {order.kind} names"
        f" {'would be added' if order.dry_run else 'added'}, {report.renamed:,} changed,"
        f" {report.unchanged:,} known already, {report.duplicates:,} duplicates,"
        f" {report.rejected:,} rejected; {report.resolved:,} unknown hashes resolved"
    )
    return text + _rejects(report)


def _rejects(report: tips_csv.Report | lookups_csv.Report) -> str:
    lines = [f"\n  row {one.line}: {one.reason}: {tables.cell(one.raw)}" for one in report.rejects]
    left = report.rejected - len(report.rejects)
    if left > 0:
        where = f": noggin-mp sources show {report.source_id}" if report.source_id else ""
        lines.append(f"\n  and {left:,} more{where}")
    return "".join(lines)


@click.group(epilog="\b\nExamples:\n  noggin-mp sources list\n  noggin-mp sources show 3 --json\n")
def sources() -> None:
    """Every file ever loaded, with its counts and rejected rows."""


@sources.command(name="list", epilog="\b\nExamples:\n  noggin-mp sources list --limit 10\n")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@pass_context
def list_(ctx: Context, limit: int) -> None:
    """The files loaded, the newest first."""
    with database.opened(ctx, "sources") as connection:
        found = store.listed(connection, limit=limit)
    columns = {
        "source_id": "id", "filename": "file", "version": "version", "kind": "kind",
        "status": "status", "rows_read": "read", "rows_imported": "imported",
        "rows_known": "known", "rows_duplicate": "duplicate", "rows_rejected": "rejected",
        "started_at": "started (UTC)", "seconds": "seconds",
    }  # fmt: skip
    ctx.emit({"sources": found}, lambda: tables.table(found, columns, empty="no file was loaded"))


@sources.command(epilog="\b\nExamples:\n  noggin-mp sources show 3\n")
@click.argument("source_id", type=int, metavar="ID")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True,
              help="Rejected rows to show.")  # fmt: skip
@pass_context
def show(ctx: Context, source_id: int, limit: int) -> None:
    """One file: counts, content, its TIPs by status, its rejected rows."""
    with database.opened(ctx, "sources") as connection:
        found = store.shown(connection, source_id=source_id)
        if found is None:
            raise errors.InputError(
                f"there is no source {source_id}", remedy="see noggin-mp sources list"
            )
        rejects = store.rejects(connection, source_id=source_id, limit=limit)
    ctx.emit(found | {"rejects": rejects}, lambda: _source_text(found, rejects))


def _source_text(found: dict[str, Any], rejects: Sequence[dict[str, Any]]) -> str:
    lines = [f"{name + ':':<16}{tables.cell(value)}" for name, value in found.items()]
    if rejects:
        columns = {"row_number": "row", "reason": "reason", "raw": "text", "resolved": "resolved"}
        lines += ["", tables.table(rejects, columns)]
    return "\n".join(lines)
