"""`breaker`: show, open, close, reset, events, advise."""

import datetime

import click

from noggin_mp.cli import breaker_advice, breaker_scopes, database, durations, since, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.store import breaker as store
from noggin_mp.store import history, session

_SHOW = {
    "scope": "scope", "state": "state", "until": "until (UTC)", "open_count": "opens",
    "quarantined": "in quarantine", "epoch": "epoch", "mode": "mode", "reason": "reason",
}  # fmt: skip
_EVENTS = {
    "ts": "when (UTC)", "scope": "scope", "event_type": "event", "old_state": "from",
    "new_state": "to", "worker": "by", "reason": "reason",
}  # fmt: skip
_TYPES = (
    "trip", "would_trip", "open", "half_open", "close", "pause", "auth_stop", "force", "reset",
    "probe", "quarantine",
)  # fmt: skip


@click.group(
    epilog="""\b
Examples:
  noggin-mp breaker show
  noggin-mp breaker open api.example --for 300 --reason "their maintenance"
  noggin-mp breaker close api.example --reason "token is fine"
  noggin-mp breaker events --limit 20
  noggin-mp breaker advise --window 2h

\b
A scope is a host (all requests) or host:api, host:media (one kind of request).
"""
)
def breaker() -> None:
    """Show and steer the circuit breaker that all workers of all hosts obey."""


@breaker.command(
    epilog="\b\nExamples:\n  noggin-mp breaker show\n  noggin-mp breaker show --json\n"
)
@click.argument("scope", required=False)
@pass_context
def show(ctx: Context, scope: str | None) -> None:
    """Every scope that was ever used, as it is now; a scope never heard of is closed.

    A host as SCOPE shows its roles too.
    """
    wanted = None if scope is None else breaker_scopes.parse(scope)
    with database.opened(ctx, "breaker") as connection:
        rows = store.show(connection)
    found = [row for row in rows if wanted is None or breaker_scopes.covers(wanted, row["scope"])]
    ctx.emit(
        {"breakers": found},
        lambda: tables.table(found, _SHOW, empty="closed: nothing ever tripped"),
    )


@breaker.command(
    name="open",
    epilog="\b\nExamples:\n  noggin-mp breaker open api.example --for 10m --reason 'deploy'\n",
)
@click.argument("scope")
@click.option(
    "--for",
    "seconds",
    callback=durations.parse,
    metavar=durations.METAVAR,
    help="How long: 300, 15m, 2h. Without it until `breaker close`.",
)
@click.option("--reason", required=True, help="Why, for the audit log and the others.")
@pass_context
def open_(ctx: Context, scope: str, seconds: float | None, reason: str) -> None:
    """Hold every request to SCOPE, in all workers at once; what is in flight ends by itself."""
    _force(ctx, scope, "open", reason, seconds)


@breaker.command(
    epilog="\b\nExamples:\n  noggin-mp breaker close api.example --reason 'they are back'\n"
)
@click.argument("scope")
@click.option("--reason", default="", help="Why, for the audit log.")
@pass_context
def close(ctx: Context, scope: str, reason: str) -> None:
    """Let requests to SCOPE go again, slowly at first; ends trips, pauses and auth stops."""
    _force(ctx, scope, "close", reason, None)


@breaker.command(epilog="\b\nExamples:\n  noggin-mp breaker reset api.example:api\n")
@click.argument("scope")
@click.option("--reason", default="", help="Why, for the audit log.")
@pass_context
def reset(ctx: Context, scope: str, reason: str) -> None:
    """Make SCOPE as new: closed at once, without a ramp, all counts forgotten."""
    _force(ctx, scope, "reset", reason, None)


@breaker.command(
    epilog="""\b
Examples:
  noggin-mp breaker events --limit 5 --json
  noggin-mp breaker events api.example --since 24h --type trip --type close
"""
)
@click.argument("scope", required=False)
@click.option("--scope", "named", metavar="SCOPE", help="The same as the argument.")
@click.option(
    "--since", "moment", callback=since.parse, metavar=since.METAVAR, help="24h, 7d or a date."
)
@click.option("--type", "types", multiple=True, type=click.Choice(_TYPES), help="Repeatable.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@pass_context
def events(
    ctx: Context,
    scope: str | None,
    named: str | None,
    moment: datetime.datetime | None,
    types: tuple[str, ...],
    limit: int,
) -> None:
    """What happened to the breaker, the latest first; kept for 90 days.

    A host as SCOPE includes its roles.
    """
    if scope is not None and named is not None:
        raise click.UsageError("SCOPE is given twice: as an argument and with --scope")
    text = named if scope is None else scope
    wanted = None if text is None else breaker_scopes.parse(text)
    with database.opened(ctx, "breaker") as connection:
        found = history.events(connection, limit=limit, scope=wanted, since=moment, types=types)
    ctx.emit({"events": found}, lambda: tables.table(found, _EVENTS, empty="no such event"))


breaker.add_command(breaker_advice.advise)


def _force(ctx: Context, scope: str, verb: str, reason: str, seconds: float | None) -> None:
    wanted = breaker_scopes.parse(scope)
    with database.opened(ctx, "breaker") as connection:
        _warn_when_unknown(ctx, connection, wanted)
        row = store.force(
            connection,
            scope=wanted,
            verb=verb,
            who=database.who(ctx),
            reason=reason,
            seconds=seconds,
        )
    told = {key: row[key] for key in ("scope", "state", "epoch", "remaining_s", "reason")}
    length = f" {durations.text(seconds)}" if verb == "open" else ""
    ctx.emit(told, f"{wanted} is {row['state']}{length}")


def _warn_when_unknown(ctx: Context, connection: session.Connection, scope: str) -> None:
    own = ctx.settings.api.host
    known = {row["scope"] for row in store.show(connection)}
    if scope not in known and not breaker_scopes.covers(own, scope):
        ctx.note(f"no worker has used {scope} so far; the configured host is {own}")
