"""`prune`: what nobody will look at again goes, from the database and from the folders."""

import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from noggin_mp.cli import database, since
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.gateway import files
from noggin_mp.store import audit, pruning, session

LEAST: Final = timedelta(days=1)
"""What is younger is still in use."""
_TEMPORARY_S: Final = 86_400.0
"""A partial file of a dead lease is of no use to anybody after a day."""
_SESSION_LOGS: Final = "session_*.log*"


@click.command(
    epilog="""\b
Examples:
  noggin-mp prune --older-than 90d --dry-run
  noggin-mp prune --older-than 2026-01-31 --yes
  noggin-mp prune --older-than 30d --yes --json

\b
Goes: errors of TIPs that are done, rejected rows that were dealt with, the breaker's events, runs
and requests, hosts and workers not heard of since, session logs, and partial files older than a
day. Never: records, photos, dead letters and their errors, loaded files, the audit log.
"""
)
@click.option("--older-than", "before", default="90d", show_default=True, callback=since.parse,
              metavar=since.METAVAR, help="What is older goes: 90d, 12w, 2026-01-31.")  # fmt: skip
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
@pass_context
def prune(ctx: Context, before: datetime, reason: str, dry_run: bool, yes: bool) -> None:
    """Clear old errors, history and temporary files."""
    if datetime.now(UTC) - before < LEAST - timedelta(minutes=1):
        raise errors.UsageError(
            "what is younger than a day is still in use", remedy="give --older-than 1d or more"
        )
    with database.opened(ctx, "prune") as connection:
        if dry_run:
            counts = pruning.would_prune(connection, before=before)
            swept = _sweep(ctx, connection, before, dry_run=True)
        else:
            if not yes:
                _confirm(before)
            counts, swept = _prune(ctx, connection, before, reason)
    found = asdict(counts) | swept
    word = "would go" if dry_run else "gone"
    lines = [f"{name.replace('_', ' '):<18}{number:>10,}" for name, number in found.items()]
    head = f"{word}, older than {before:%Y-%m-%d %H:%M} UTC:"
    ctx.emit({"dry_run": dry_run, "before": before, "pruned": found}, "\n".join([head, *lines]))


def _prune(
    ctx: Context, connection: session.Connection, before: datetime, reason: str
) -> tuple[pruning.Pruned, dict[str, int]]:
    """Do it, and write down what was done, also when it was cut short."""
    counts, swept = pruning.Pruned(), {"partial_files": 0, "session_logs": 0}
    try:
        pruning.prune(connection, before=before, so_far=counts)
        swept = _sweep(ctx, connection, before, dry_run=False)
    finally:
        if not connection.closed:
            audit.write(connection, audit.Entry(
                who=database.who(ctx), action="prune", target=f"older than {before.isoformat()}",
                reason=reason, affected=counts.total + sum(swept.values()),
                details=asdict(counts) | swept))  # fmt: skip
    return counts, swept


def _sweep(
    ctx: Context, connection: session.Connection, before: datetime, *, dry_run: bool
) -> dict[str, int]:
    """Partial files of leases that are no more, and session logs."""
    partial = files.sweep(
        ctx.settings.paths.output,
        keep=pruning.live_tokens(connection),
        older_than=time.time() - _TEMPORARY_S,
        dry_run=dry_run,
    )
    logs = [one for one in ctx.settings.paths.log.glob(_SESSION_LOGS) if _is_old(one, before)]
    if not dry_run:
        for one in logs:
            one.unlink(missing_ok=True)
    return {"partial_files": partial, "session_logs": len(logs)}


def _is_old(file: Path, before: datetime) -> bool:
    try:
        return file.is_file() and file.stat().st_mtime < before.timestamp()
    except OSError:
        return False


def _confirm(before: datetime) -> None:
    if not sys.stdin.isatty():
        raise errors.UsageError(
            f"prune would delete what is older than {before:%Y-%m-%d}",
            remedy="add --yes, or try --dry-run",
        )
    click.confirm(f"delete what is older than {before:%Y-%m-%d}?", abort=True, err=True)
