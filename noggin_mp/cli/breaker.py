"""`breaker`: show, open, close, reset, events."""

import click

from noggin_mp.cli import database, durations, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.store import breaker as store
from noggin_mp.store import session

_SHOW = {
    "scope": "scope", "state": "state", "until": "until (UTC)", "open_count": "opens",
    "quarantined": "in quarantine", "epoch": "epoch", "mode": "mode", "reason": "reason",
}  # fmt: skip
_EVENTS = {
    "ts": "when (UTC)", "scope": "scope", "event_type": "event", "old_state": "from",
    "new_state": "to", "worker": "by", "reason": "reason",
}  # fmt: skip
_ROLES = (":api", ":media")


@click.group(
    epilog="""\b
Examples:
  noggin-mp breaker show
  noggin-mp breaker open api.example --for 300 --reason "their maintenance"
  noggin-mp breaker close api.example --reason "token is fine"
  noggin-mp breaker events --limit 20

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
    """Every scope that was ever used, as it is now; a scope never heard of is closed."""
    wanted = None if scope is None else _scope(scope)
    with database.opened(ctx, "breaker") as connection:
        found = [row for row in store.show(connection) if wanted in (None, row["scope"])]
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


@breaker.command(epilog="\b\nExamples:\n  noggin-mp breaker events --limit 5 --json\n")
@click.argument("scope", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True)
@pass_context
def events(ctx: Context, scope: str | None, limit: int) -> None:
    """What happened to the breaker, the latest first."""
    wanted = None if scope is None else _scope(scope)
    with database.opened(ctx, "breaker") as connection:
        found = store.events(connection, limit=limit, scope=wanted)
    ctx.emit({"events": found}, lambda: tables.table(found, _EVENTS, empty="no event so far"))


def _force(ctx: Context, scope: str, verb: str, reason: str, seconds: float | None) -> None:
    wanted = _scope(scope)
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


def _scope(written: str) -> str:
    """The scope as the workers write it. Raises: click.BadParameter."""
    from noggin_mp.settings import values

    host, role = written.strip(), ""
    for known in _ROLES:
        if host.lower().endswith(known):
            host, role = host[: -len(known)], known
    try:
        return values.normal_host(host) + role
    except ValueError:
        raise click.BadParameter(
            f"{written!r} is no scope: write a host name, or one with :api or :media behind it"
        ) from None


def _warn_when_unknown(ctx: Context, connection: session.Connection, scope: str) -> None:
    own = ctx.settings.api.host
    known = {own, *(own + role for role in _ROLES)}
    known |= {row["scope"] for row in store.show(connection)}
    if scope not in known:
        ctx.note(f"no worker has used {scope} so far; the configured host is {own}")
