"""`tips` and `errors`: TIPs found, shown, asked for again, skipped; failures by group."""

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from noggin_mp.cli import database, kinds, shared, since, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors as failures
from noggin_mp.store import audit, reports, session
from noggin_mp.store import tips as store

_LIST = {
    "tip": "TIP", "object_code": "type", "reference": "id", "processing_status": "status",
    "permanently_failed": "dead", "queue": "queue", "worker": "worker", "retry_count": "tries",
    "next_retry_at": "next try (UTC)", "last_error_message": "last error",
}  # fmt: skip


_filters = shared.options(
    click.option("--where", "state", type=click.Choice(store.STATES), metavar="STATE",
                 help="A status, or ready, later, leased, dead."),
    click.option("--error", metavar="TEXT", help="The last error contains TEXT (any case)."),
    click.option("--type", "type_name", metavar="TYPE", help="The object type, such as LCD."),
    click.option("--since", "after", callback=since.parse, metavar=since.METAVAR,
                 help="Changed since: 15m, 24h, 7d or 2025-10-23."),
)  # fmt: skip
"""The options that choose TIPs, shared by list, retry and skip."""


@click.group(
    epilog="""\b
Examples:
  noggin-mp tips list --where dead
  noggin-mp tips show 0f3a...
  noggin-mp tips retry --where failed --error "http_503" --yes
"""
)
def tips() -> None:
    """List, show, retry and skip TIPs."""


@tips.command(
    name="list", epilog="\b\nExamples:\n  noggin-mp tips list --where ready --type SO --limit 20\n"
)
@_filters
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@pass_context
def list_(
    ctx: Context,
    state: str | None,
    error: str | None,
    type_name: str | None,
    after: datetime | None,
    limit: int,
) -> None:
    """TIPs by state, error, type or age; the last changed first, the queue in its own order."""
    wanted = _wanted(ctx, state, error, type_name, after)
    with database.opened(ctx, "tips") as connection:
        matches = store.match(connection, wanted, limit=limit)
        found = store.rows(connection, [one.tip for one in matches])
    ctx.emit({"tips": found}, lambda: tables.table(found, _LIST, empty="no such TIP"))


@tips.command(epilog="\b\nExamples:\n  noggin-mp tips show 0f3a... --payload --json\n")
@click.argument("tip")
@click.option("--payload", is_flag=True, help="With the whole object as the API gave it.")
@pass_context
def show(ctx: Context, tip: str, payload: bool) -> None:
    """Everything about one TIP: row, queue entry, lease, files and where they lie, last errors."""
    with database.opened(ctx, "tips") as connection:
        record = store.record(connection, tip, payload=payload)
        if record is None:
            raise _unknown([tip])
        found: dict[str, Any] = {
            "tip": tip,
            "record": record,
            "queue": store.entries(connection, tip),
            "folders": [_place(ctx, one) for one in store.folders(connection, tip)],
            "attachments": store.attachments(connection, tip),
            "errors": store.failures(connection, tip, limit=5),
        }
    ctx.emit(found, lambda: _text(found))


@tips.command(
    epilog="""\b
Examples:
  noggin-mp tips retry 0f3a... 77c1...
  noggin-mp tips retry --where dead --error unknown_type --dry-run
"""
)
@click.argument("names", nargs=-1, metavar="[TIP...]")
@_filters
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--yes", is_flag=True, help="Do not ask; needed with a filter and no terminal.")
@click.option("--dry-run", is_flag=True, help="Tell how many; change nothing.")
@pass_context
def retry(ctx: Context, /, names: tuple[str, ...], **options: Any) -> int:
    """Ask for TIPs again, whatever they were: they become pending, their attempts count anew."""
    return _change(ctx, "retry", names, store.retry, options)


@tips.command(epilog="\b\nExamples:\n  noggin-mp tips skip 0f3a... --reason 'test record'\n")
@click.argument("names", nargs=-1, metavar="[TIP...]")
@_filters
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--yes", is_flag=True, help="Do not ask; needed with a filter and no terminal.")
@click.option("--dry-run", is_flag=True, help="Tell how many; change nothing.")
@pass_context
def skip(ctx: Context, /, names: tuple[str, ...], **options: Any) -> int:
    """Take TIPs out of the queue for good; finished ones stay as they are."""
    return _change(ctx, "skip", names, store.skip, options)


@click.command(
    epilog="\b\nExamples:\n  noggin-mp errors\n  noggin-mp errors --since 24h --by message\n"
)
@click.option("--since", "after", callback=since.parse, metavar=since.METAVAR,
              help="Since: 15m, 24h, 7d or 2025-10-23.")  # fmt: skip
@click.option("--by", type=click.Choice(reports.GROUPS), default="type", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@pass_context
def errors(ctx: Context, after: datetime | None, by: str, limit: int) -> None:
    """Failures in groups, the most frequent first."""
    with database.opened(ctx, "errors") as connection:
        found = reports.failures(connection, by=by, since=after, limit=limit)
    columns = {
        "what": by, "failures": "failures", "tips": "TIPs", "unresolved": "unresolved",
        "last_at": "last (UTC)", "latest": "latest message",
    }  # fmt: skip
    ctx.emit(
        {"by": by, "since": after, "errors": found},
        lambda: tables.table(found, columns, empty="no failure"),
    )


def _wanted(
    ctx: Context,
    state: str | None,
    error: str | None,
    type_name: str | None,
    after: datetime | None,
) -> store.Filter:
    types = None if type_name is None else kinds.names(kinds.catalogue(ctx), type_name)
    return store.Filter(state=state, error=error, types=types, since=after)


def _change(
    ctx: Context,
    verb: str,
    names: Sequence[str],
    change: Callable[[session.Connection, Sequence[store.Match]], int],
    options: dict[str, Any],
) -> int:
    """Change the TIPs named or found, in one transaction with its audit row; the exit code."""
    filters = {key: options[key] for key in ("state", "error", "type_name", "after")}
    filtered = any(value is not None for value in filters.values())
    if filtered == bool(names):
        raise failures.UsageError(
            f"tips {verb} needs either TIPs or a filter", remedy="name TIPs, or use --where STATE"
        )
    with database.opened(ctx, "tips") as connection:
        missing: list[str] = []
        if filtered:
            matches = store.match(connection, _wanted(ctx, **filters))
        else:
            present = store.known(connection, names)
            missing = [name for name in dict.fromkeys(names) if name not in present]
            matches = [store.Match(tip=name) for name in dict.fromkeys(names) if name in present]
            if not matches:
                raise _unknown(missing)
        if not options["dry_run"]:
            if filtered and matches and not options["yes"]:
                _confirm(verb, len(matches))
            with connection.transaction():
                changed = change(connection, matches)
                target = ", ".join(names) if names else _described(filters)
                audit.write(connection, audit.Entry(
                    who=database.who(ctx), action=f"tips {verb}", target=target[:1000],
                    reason=options["reason"], affected=changed))  # fmt: skip
        else:
            changed = 0
    _tell(ctx, verb, matched=len(matches), changed=changed, missing=missing, **options)
    return int(bool(missing))


def _tell(
    ctx: Context, verb: str, *, matched: int, changed: int, missing: list[str], **options: Any
) -> None:
    done = {"retry": "asked for again", "skip": "skipped"}[verb]
    if options["dry_run"]:
        text = f"{matched:,} TIPs would be {done}"
    else:
        left = matched - changed
        text = f"{changed:,} TIPs {done}" + (f"; {left:,} left as they are" if left else "")
    if missing:
        text += f"; not in the database: {', '.join(missing)}"
    ctx.emit(
        {"matched": matched, "changed": changed, "missing": missing, "dry_run": options["dry_run"]},
        text,
    )


def _confirm(verb: str, number: int) -> None:
    if not sys.stdin.isatty():
        raise failures.UsageError(
            f"tips {verb} would change {number:,} TIPs", remedy="add --yes, or try --dry-run"
        )
    click.confirm(f"{verb} {number:,} TIPs?", abort=True, err=True)


def _described(filters: dict[str, Any]) -> str:
    words = {"state": "where", "error": "error", "type_name": "type", "after": "since"}
    return " ".join(f"{words[key]}={value}" for key, value in filters.items() if value is not None)


def _unknown(missing: Sequence[str]) -> failures.InputError:
    return failures.InputError(
        f"there is no TIP {', '.join(missing)} in the database",
        remedy="see noggin-mp tips list, or import the file that has it",
    )


def _place(ctx: Context, folder: store.Folder) -> str:
    """Where a folder lies; behind the name of the host that wrote in it, when that is another."""
    if folder.host in (None, ctx.settings.fleet.host) or folder.output is None:
        return str(Path(ctx.settings.paths.output) / folder.path)
    return f"{folder.host}:{Path(folder.output) / folder.path}"


def _text(found: dict[str, Any]) -> str:
    record = found["record"]
    lines = [f"{name + ':':<34}{tables.cell(value)}" for name, value in record.items()]
    entry = found["queue"][0] if found["queue"] else None
    waits = (
        {} if entry is None else {key: value for key, value in entry.items() if value is not None}
    )
    queue = ", ".join(f"{key} {tables.cell(value)}" for key, value in waits.items()) or "not queued"
    lines += [f"{'queue:':<34}{queue}", *(f"{'folder:':<34}{path}" for path in found["folders"])]
    if found["attachments"]:
        columns = {
            "attachment_sequence": "no", "attachment_status": "status", "file_size_bytes": "bytes",
            "host": "host", "file_path": "file", "last_error_message": "last error",
        }  # fmt: skip
        lines += ["", tables.table(found["attachments"], columns)]
    if found["errors"]:
        columns = {"created_at": "at (UTC)", "error_type": "error", "error_message": "message"}
        lines += ["", tables.table(found["errors"], columns)]
    return "\n".join(lines)
