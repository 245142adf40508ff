"""`fleet`: status, pause, resume; and what is asked of supervisors: drain, scale, reload."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import click

from noggin_mp.cli import database, durations, fleet_requests, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import agreement
from noggin_mp.store import breaker as store
from noggin_mp.store import reports, requests

_HOSTS = {
    "host": "host", "state": "state", "leader": "leads", "up": "workers", "busy": "busy",
    "blocked": "blocked", "parked": "parked", "silent_s": "silent (s)", "version": "version",
    "config_version": "config", "started_at": "since (UTC)",
}  # fmt: skip
_WORKERS = {
    "host": "host", "slot": "slot", "pid": "pid", "state": "state", "busy": "busy",
    "silent_s": "silent (s)", "tip": "TIP",
}  # fmt: skip
_REQUESTS = {
    "id": "request", "verb": "verb", "host": "host", "who": "by", "reason": "reason",
    "answered_by": "answered by", "expires_at": "until (UTC)",
}  # fmt: skip
_TIP_CHARS = 16


@click.group(
    epilog="""\b
Examples:
  noggin-mp fleet status
  noggin-mp fleet pause --for 2h --reason "network maintenance"
  noggin-mp fleet resume
  noggin-mp fleet reload --all
  noggin-mp fleet drain --host extract-2 --reason "new disk"
"""
)
def fleet() -> None:
    """Watch, pause, resume, scale, reload and drain the workers of every host."""


for _command in (fleet_requests.drain, fleet_requests.reload, fleet_requests.scale):
    fleet.add_command(_command)


@fleet.command(epilog="\b\nExamples:\n  noggin-mp fleet status\n  noggin-mp fleet status --json\n")
@pass_context
def status(ctx: Context) -> None:
    """Every host and worker, how long ago each was heard of, what is asked of them, the pause."""
    with database.opened(ctx, "fleet") as connection:
        found = {**store.fleet(connection), "requests": requests.outstanding(connection)}
        differing = agreement.differences(reports.policies(connection))
    data = {**found, "policies_differ": [dataclasses.asdict(one) for one in differing]}
    note = f"{agreement.sentence(differing)}; {agreement.REMEDY}" if differing else ""
    ctx.emit(data, lambda: _text(found, note))


def _text(found: Mapping[str, Any], note: str) -> str:
    hosts = [{**one, "up": f"{one['workers']}/{one['wanted']}"} for one in found["hosts"]]
    present = {one["host"] for one in hosts if one["state"] not in ("gone", "stopped")}
    workers = [
        {**one, "tip": one["tip"] and str(one["tip"])[:_TIP_CHARS]}
        for one in found["workers"]
        if one["host"] in present
    ]
    parts = [
        tables.table(hosts, _HOSTS, empty="no host has signed in so far"),
        tables.table(workers, _WORKERS, empty="no worker is at work"),
    ]
    parts += [
        f"{one['host']}: its last reload was refused: {one['config_error']}"
        for one in hosts
        if one["config_error"] and one["host"] in present
    ]
    if note:
        parts.append(f"note: {note}")
    if found["requests"]:
        rows = [
            {**one, "answered_by": ", ".join(one["answered"]) or None} for one in found["requests"]
        ]
        parts.append(tables.table(rows, _REQUESTS))
    pause = found["pause"]
    if pause["paused"]:
        end = f"until {tables.cell(pause['until'])} UTC" if pause["until"] else "until resumed"
        parts.append(f"paused {end}: {pause['reason'] or 'no reason given'}")
    return "\n\n".join(parts)


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
