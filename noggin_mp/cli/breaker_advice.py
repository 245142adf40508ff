"""`breaker advise`: what the recent past says about the policy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import yaml

from noggin_mp.cli import breaker_options, breaker_scopes, database, durations
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import advisor, breaker
from noggin_mp.domain.outcome import Role
from noggin_mp.store import history

if TYPE_CHECKING:  # pydantic is slow to import, and --help needs no settings
    from noggin_mp.settings.schema import Settings


@click.command(
    epilog="""\b
Examples:
  noggin-mp breaker advise
  noggin-mp breaker advise api.example --window 24h
  noggin-mp breaker advise --json

\b
The rules and what they look at: docs/how-to/tune-the-breaker.md
"""
)
@click.argument("scope", required=False)
@click.option(
    "--window",
    "window_s",
    default="3600",
    show_default=True,
    callback=durations.parse,
    metavar=durations.METAVAR,
    help="How far to look back: 3600, 90m, 24h; history is kept for 90 days.",
)
@breaker_options.layered
@pass_context
def advise(ctx: Context, scope: str | None, window_s: float) -> None:
    """Suggestions for breaker and pacing from what happened lately; changes nothing by itself."""
    wanted = None if scope is None else breaker_scopes.parse(scope)
    with database.opened(ctx, "breaker") as connection:
        past = history.past(connection, window_s=window_s)
        failures = history.failures(connection, window_s=window_s)
    hosts = [
        _facts(ctx.settings, host, known, failures if host == ctx.settings.api.host else {})
        for host, known in sorted(past.items())
    ]
    hosts = [host for host in hosts if wanted is None or _concerns(wanted, host.host)]
    found = [one for host in hosts for one in advisor.advise(host) if _wanted(wanted, one)]
    patch = advisor.patch(found)
    ctx.emit(
        {
            "window_s": window_s,
            "hosts": [_evidence(host) for host in hosts],
            "suggestions": [_told(one) for one in found],
            "patch": patch,
            "patch_yaml": _yaml(patch),
        },
        lambda: _human(hosts, found, patch, window_s),
    )


def _facts(
    settings: "Settings",
    host: str,
    past: history.Past,
    failures: Mapping[Role, Mapping[str, int]],
) -> advisor.HostFacts:
    rates: dict[Role | None, str] = {}
    for role in Role:
        rate = settings.pacing_policy(host, role)["rate"]
        own = settings.pacing_scope(host, role, "rate") != host
        if isinstance(rate, str):
            rates[role if own else None] = rate
    return advisor.HostFacts(
        host=host,
        requests=past.total,
        throttled=past.throttled,
        minutes=past.minutes,
        waits_s=tuple(past.waits_s),
        rates=rates,
        roles={
            role: advisor.RoleFacts(
                policy=breaker.Policy.of(settings.breaker_policy(host, role)),
                events=tuple(past.events.get(role, ())),
                requests=past.requests.get(role, 0),
                failures=failures.get(role, {}),
            )
            for role in Role
        },
    )


def _concerns(wanted: str, host: str) -> bool:
    return breaker_scopes.covers(host, wanted)


def _wanted(wanted: str | None, one: advisor.Suggestion) -> bool:
    return wanted in (None, one.host, breaker.scope(one.host, one.role))


def _evidence(facts: advisor.HostFacts) -> dict[str, Any]:
    roles = {}
    for role, of_role in facts.roles.items():
        trips = advisor.trips(of_role.events)
        trials, failed = advisor.trials(of_role.events)
        roles[str(role)] = {
            "requests": of_role.requests,
            "trips": len(trips),
            "false_trips": sum(trip.false for trip in trips),
            "open_s": [round(trip.open_s, 1) for trip in trips if trip.open_s is not None],
            "trials": trials,
            "failed_trials": failed,
            "failures": dict(of_role.failures),
        }
    return {
        "host": facts.host,
        "requests": facts.requests,
        "throttled": facts.throttled,
        "pauses_s": list(facts.waits_s),
        "roles": roles,
    }


def _told(one: advisor.Suggestion) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "scope": breaker.scope(one.host, one.role),
        "path": list(one.path),
        "old": one.old,
        "new": one.new,
        "evidence": one.evidence,
    }


def _human(
    hosts: Sequence[advisor.HostFacts],
    found: Sequence[advisor.Suggestion],
    patch: Mapping[str, Any],
    window_s: float,
) -> str:
    lines = [_seen(host) for host in hosts] or ["nothing is known of any request"]
    lines.insert(0, f"the last {window_s:g} s:")
    if not found:
        return "\n".join([*lines, "nothing to change"])
    for one in found:
        old = (
            "no limit"
            if one.old is None
            else f"{one.old:g}"
            if one.section == "breaker"
            else one.old
        )
        lines += [
            "",
            f"{breaker.scope(one.host, one.role)}  {one.section} {one.key}: {old} -> {one.new}",
            f"  because {one.evidence}",
        ]
    lines += [
        "",
        "# As a file in conf.d/ beside the configuration; nothing was changed.",
        _yaml(patch),
    ]
    return "\n".join(lines).rstrip()


def _seen(facts: advisor.HostFacts) -> str:
    trips = sum(len(advisor.trips(one.events)) for one in facts.roles.values())
    return (
        f"  {facts.host}: {facts.requests} requests, {facts.throttled} answered with 429,"
        f" {trips} trips, {len(facts.waits_s)} pauses"
    )


def _yaml(patch: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(patch), sort_keys=False, allow_unicode=True) if patch else ""
