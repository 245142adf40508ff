"""`dead`: TIPs permanently failed and rejected input rows, listed, shown, retried, discarded."""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click

from noggin_mp.cli import database, kinds, shared, since, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.store import audit, session, tips
from noggin_mp.store import dead as store

_ROW: Final = "row:"
_TIPS: Final = {
    "tip": "TIP", "object_code": "type", "reference": "id", "processing_status": "status",
    "retry_count": "tries", "updated_at": "since (UTC)", "last_error_message": "last error",
}  # fmt: skip
_ROWS: Final = {
    "id": "row", "filename": "file", "row_number": "line", "reason": "reason", "raw": "text",
}  # fmt: skip
_EXAMPLES: Final = """\b
Examples:
  noggin-mp dead list
  noggin-mp dead retry --error http_500 --yes --reason "the API is mended"
  noggin-mp dead discard --rows --yes --reason "test file"
"""


_filters = shared.options(
    click.option("--error", metavar="TEXT", help="The error or reason contains TEXT."),
    click.option("--type", "type_name", metavar="TYPE", help="The object type, such as LCD."),
    click.option("--since", "after", callback=since.parse, metavar=since.METAVAR,
                 help="Dead since: 15m, 24h, 7d or 2025-10-23."),
)  # fmt: skip
"""The options that choose dead letters."""


_change = shared.options(
    click.option("--all", "everything", is_flag=True, help="All of them, without a filter."),
    click.option("--reason", default="", help="Why, for the audit log."),
    click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal."),
    click.option("--dry-run", is_flag=True, help="Tell how many; change nothing."),
)  # fmt: skip
"""The options of what changes something."""


@click.group(epilog=_EXAMPLES)
def dead() -> None:
    """Dead letters: TIPs permanently failed, and input rows that were rejected."""


@dead.command(name="list", epilog="\b\nExamples:\n  noggin-mp dead list --type SO --since 7d\n")
@_filters
@click.option("--rows", "only_rows", is_flag=True, help="Only rejected input rows.")
@click.option("--tips", "only_tips", is_flag=True, help="Only TIPs.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@pass_context
def list_(
    ctx: Context,
    error: str | None,
    type_name: str | None,
    after: datetime | None,
    only_rows: bool,
    only_tips: bool,
    limit: int,
) -> None:
    """Dead letters, the latest first; how to tell them apart: a row's id begins with `row:`."""
    wanted = _wanted(ctx, error, type_name, after)
    with database.opened(ctx, "dead") as connection:
        found: dict[str, Any] = {}
        if not only_rows:
            matches = tips.match(connection, wanted, limit=limit)
            found["tips"] = tips.rows(connection, [one.tip for one in matches])
        if not only_tips and type_name is None:
            found["rows"] = store.rows(connection, error=error, since=after, limit=limit)
    ctx.emit(found, lambda: _listed(found))


@dead.command(epilog="\b\nExamples:\n  noggin-mp dead show 0f3a...\n  noggin-mp dead show row:12\n")
@click.argument("name", metavar="TIP|row:ID")
@pass_context
def show(ctx: Context, name: str) -> None:
    """Why a TIP or an input row is dead: its errors, or its text; with what may be done."""
    with database.opened(ctx, "dead") as connection:
        if name.startswith(_ROW):
            found = _one_row(connection, name)
        else:
            if not store.known(connection, [name]):
                raise _unknown([name])
            found = {
                "tip": name,
                "record": tips.record(connection, name, payload=False),
                "attachments": tips.attachments(connection, name),
                "errors": tips.failures(connection, name, limit=20),
            }
    ctx.emit(found, lambda: _shown(found))


@dead.command(epilog=_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[TIP...]")
@_filters
@_change
@pass_context
def retry(ctx: Context, /, names: tuple[str, ...], **options: Any) -> int:
    """Ask for dead TIPs again: they become pending, their attempts count anew.

    A rejected row cannot be retried by itself: correct the file and import it again.
    """
    if any(name.startswith(_ROW) for name in names):
        raise errors.UsageError(
            "a rejected input row cannot be retried by itself",
            remedy="correct its file and import it again, then discard the row",
        )
    return _apply(ctx, "retry", names, options)


@dead.command(epilog=_EXAMPLES)
@click.argument("names", nargs=-1, metavar="[TIP|row:ID...]")
@_filters
@click.option("--rows", "only_rows", is_flag=True, help="Rejected input rows instead of TIPs.")
@_change
@pass_context
def discard(ctx: Context, /, names: tuple[str, ...], **options: Any) -> int:
    """Give dead letters up: TIPs become skipped, rejected rows count as dealt with.

    What was stored of a record stays. `tips retry` takes a TIP back.
    """
    return _apply(ctx, "discard", names, options)


def _apply(ctx: Context, verb: str, names: Sequence[str], options: dict[str, Any]) -> int:
    """Change what is named or found, in one transaction with its audit row; the exit code."""
    filters = {key: options[key] for key in ("error", "type_name", "after")}
    chosen = any(value is not None for value in filters.values()) or options["everything"]
    if chosen == bool(names):
        raise errors.UsageError(
            f"dead {verb} needs either names or a filter",
            remedy="name TIPs, or use --error, --type, --since or --all",
        )
    with database.opened(ctx, "dead") as connection:
        if names:
            matches, rows, missing = _named(connection, names)
        else:
            matches, rows, missing = _found(ctx, connection, filters, options)
        number, changed = len(matches) + len(rows), 0
        if number and not options["dry_run"]:
            if not names and not options["yes"]:
                _confirm(verb, number)
            with connection.transaction():
                change = tips.retry if verb == "retry" else tips.skip
                changed = change(connection, matches) if matches else 0
                changed += store.discard_rows(connection, rows) if rows else 0
                target = ", ".join(names) if names else _described(filters, options)
                audit.write(connection, audit.Entry(
                    who=database.who(ctx), action=f"dead {verb}", target=target[:1000],
                    reason=options["reason"], affected=changed))  # fmt: skip
    _tell(ctx, verb, number, changed, missing, dry_run=options["dry_run"])
    return int(bool(missing))


def _named(
    connection: session.Connection, names: Sequence[str]
) -> tuple[list[tips.Match], list[int], list[str]]:
    """What the names mean: TIPs, rows, and those that are no dead letter."""
    wanted = list(dict.fromkeys(names))
    by_row = {name: int(name[4:]) for name in wanted if name[4:].isdecimal() and _is_row(name)}
    matches = store.known(connection, [name for name in wanted if not _is_row(name)])
    open_rows = {one["row_id"] for one in store.rows(connection, ids=list(by_row.values()))}
    there = {one.tip for one in matches}
    there |= {name for name, row_id in by_row.items() if row_id in open_rows}
    missing = [name for name in wanted if name not in there]
    if not there:
        raise _unknown(missing)
    return matches, sorted(open_rows), missing


def _found(
    ctx: Context,
    connection: session.Connection,
    filters: dict[str, Any],
    options: dict[str, Any],
) -> tuple[list[tips.Match], list[int], list[str]]:
    if options.get("only_rows"):
        if filters["type_name"] is not None:
            raise errors.UsageError("rejected rows have no type", remedy="drop --type")
        rows = store.rows(connection, error=filters["error"], since=filters["after"])
        return [], [one["row_id"] for one in rows], []
    return tips.match(connection, _wanted(ctx, **filters)), [], []


def _wanted(
    ctx: Context, error: str | None, type_name: str | None, after: datetime | None
) -> tips.Filter:
    types = None if type_name is None else kinds.names(kinds.catalogue(ctx), type_name)
    return tips.Filter(state=tips.DEAD, error=error, types=types, since=after)


def _is_row(name: str) -> bool:
    return name.startswith(_ROW)


def _one_row(connection: session.Connection, name: str) -> dict[str, Any]:
    number = name.removeprefix(_ROW)
    found = store.rows(connection, ids=[int(number)]) if number.isdecimal() else []
    if not found:
        raise _unknown([name])
    return found[0]


def _unknown(names: Sequence[str]) -> errors.InputError:
    return errors.InputError(
        f"no dead letter: {', '.join(names)}", remedy="see noggin-mp dead list"
    )


def _confirm(verb: str, number: int) -> None:
    if not sys.stdin.isatty():
        raise errors.UsageError(
            f"dead {verb} would change {number:,} dead letters",
            remedy="add --yes, or try --dry-run",
        )
    click.confirm(f"{verb} {number:,} dead letters?", abort=True, err=True)


def _described(filters: dict[str, Any], options: dict[str, Any]) -> str:
    words = {"error": "error", "type_name": "type", "after": "since"}
    parts = [f"{words[key]}={value}" for key, value in filters.items() if value is not None]
    return " ".join(["rows" if options.get("only_rows") else "tips", *(parts or ["all"])])


def _tell(
    ctx: Context, verb: str, number: int, changed: int, missing: list[str], *, dry_run: bool
) -> None:
    done = {"retry": "asked for again", "discard": "discarded"}[verb]
    text = f"{number:,} would be {done}" if dry_run else f"{changed:,} {done}"
    if missing:
        text += f"; no dead letter: {', '.join(missing)}"
    ctx.emit({"matched": number, "changed": changed, "missing": missing, "dry_run": dry_run}, text)


def _listed(found: dict[str, Any]) -> str:
    blocks = []
    if "tips" in found:
        blocks.append(tables.table(found["tips"], _TIPS, empty="no TIP is permanently failed"))
    if "rows" in found:
        blocks.append(tables.table(found["rows"], _ROWS, empty="no input row is rejected"))
    return "\n\n".join(blocks)


def _shown(found: dict[str, Any]) -> str:
    record = found.get("record") or found
    lines = [f"{name + ':':<34}{tables.cell(value, limit=500)}" for name, value in record.items()]
    if found.get("attachments"):
        columns = {
            "attachment_sequence": "no", "attachment_status": "status", "field_name": "field",
            "last_error_message": "last error",
        }  # fmt: skip
        lines += ["", tables.table(found["attachments"], columns)]
    if found.get("errors"):
        columns = {"created_at": "at (UTC)", "error_type": "error", "error_message": "message"}
        lines += ["", tables.table(found["errors"], columns)]
    return "\n".join(lines)
