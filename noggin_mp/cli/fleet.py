"""`fleet`: status, pause, resume."""

import click

from noggin_mp.cli import database, durations, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.store import breaker as store

_HOSTS = {
    "host": "host", "version": "version", "leader": "leads", "silent_s": "silent (s)",
    "started_at": "since (UTC)",
}  # fmt: skip
_WORKERS = {
    "host": "host", "slot": "slot", "pid": "pid", "state": "state", "busy": "busy",
    "silent_s": "silent (s)", "tip": "TIP",
}  # fmt: skip


@click.group(
    epilog="""\b
Examples:
  noggin-mp fleet status
  noggin-mp fleet pause --for 2h --reason "network maintenance"
  noggin-mp fleet resume
"""
)
def fleet() -> None:
    """Pause, resume and watch all workers of all hosts."""


@fleet.command(epilog="\b\nExamples:\n  noggin-mp fleet status\n  noggin-mp fleet status --json\n")
@pass_context
def status(ctx: Context) -> None:
    """The hosts and workers that ever signed in, how long ago each was heard of, and the pause."""
    with database.opened(ctx, "fleet") as connection:
        found = store.fleet(connection)
    pause = found["pause"]

    def human() -> str:
        parts = [
            tables.table(found["hosts"], _HOSTS, empty="no host has signed in so far"),
            tables.table(found["workers"], _WORKERS, empty="no worker has signed in so far"),
        ]
        if pause["paused"]:
            end = f"until {tables.cell(pause['until'])} UTC" if pause["until"] else "until resumed"
            parts.append(f"paused {end}: {pause['reason'] or 'no reason given'}")
        return "\n\n".join(parts)

    ctx.emit(found, human)


@fleet.command(epilog="\b\nExamples:\n  noggin-mp fleet pause --for 30m --reason 'backup'\n")
@click.option(
    "--for",
    "seconds",
    callback=durations.parse,
    metavar=durations.METAVAR,
    help="How long: 300, 15m, 2h. Without it until `fleet resume`.",
)
@click.option("--reason", required=True, help="Why, for the audit log and the others.")
@pass_context
def pause(ctx: Context, seconds: float | None, reason: str) -> None:
    """Stop all requests of all hosts at once; what is in flight ends by itself."""
    with database.opened(ctx, "fleet") as connection:
        store.pause_fleet(connection, who=database.who(ctx), reason=reason, seconds=seconds)
    ctx.emit(
        {"paused": True, "for_s": seconds, "reason": reason},
        f"the fleet is paused {durations.text(seconds)}",
    )


@fleet.command(epilog="\b\nExamples:\n  noggin-mp fleet resume --reason 'backup done'\n")
@click.option("--reason", default="", help="Why, for the audit log.")
@pass_context
def resume(ctx: Context, reason: str) -> None:
    """End the fleet's pause."""
    with database.opened(ctx, "fleet") as connection:
        store.resume_fleet(connection, who=database.who(ctx), reason=reason)
    ctx.emit({"paused": False}, "the fleet is not paused any more")
