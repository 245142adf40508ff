"""`status` reports and exits 0; `health` judges and exits 0 or 1."""

import dataclasses
import importlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from noggin_mp.cli import tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.domain import health as policy
from noggin_mp.supervisor import pidfile

if TYPE_CHECKING:  # the database's driver is imported while the settings are read
    from noggin_mp.store import reports, session

_STATEMENT_TIMEOUT_S: Final = 30.0
_WAIT_STEP_S: Final = 0.5
_OF_SUPERVISOR: Final = ("pid", "state", "paused", "config_error", "config_version", "reload")
_RELOADING: Final = ("checking", "applying", "returning")


@click.command(
    epilog="""\b
Examples:
  noggin-mp status
  noggin-mp status --json | jq .tips.pending
"""
)
@pass_context
def status(ctx: Context) -> None:
    """What is going on: TIPs by status, queue, breakers, workers. Exits 0 whatever goes on."""
    ctx.read_ahead()
    from noggin_mp.cli import database
    from noggin_mp.store import reports

    on_disk = ctx.fall_back()
    with database.opened(ctx, "status", timeout_s=_STATEMENT_TIMEOUT_S) as connection:
        found = reports.snapshot(connection)
    supervisor = pidfile.read_state(ctx.essentials.state_folder)
    _show_parked(found.workers, supervisor, host=ctx.essentials.host)
    data = {
        "tips": found.tips,
        "queue": found.queue,
        "breakers": found.breakers,
        "workers": found.workers,
        "supervisor": {key: supervisor.get(key) for key in _OF_SUPERVISOR},
        "configuration_on_disk": on_disk or None,
        "paused": found.paused,
    }
    ctx.emit(data, lambda: _text(ctx, found, supervisor, on_disk))


def _show_parked(workers: list[dict[str, Any]], supervisor: dict[str, Any], *, host: str) -> None:
    """A slot that this host's supervisor parked has no worker to say so: say it for it."""
    parked = {slot["slot"] for slot in supervisor.get("slots", ()) if slot["state"] == "parked"}
    for one in workers:
        if one["host"] == host and one["slot"] in parked:
            one["state"] = "parked"


@click.command(
    epilog="""\b
Examples:
  noggin-mp health
  noggin-mp health --wait 30
  noggin-mp health --max-age 900 --json
"""
)
@click.option("--wait", "wait_s", type=click.FloatRange(min=0), default=0.0, metavar="S",
              help="Wait up to S seconds for health.")  # fmt: skip
@click.option("--max-age", "max_age_s", type=click.FloatRange(min=0), metavar="S",
              help="A TIP must have been finished within the last S seconds.")  # fmt: skip
@pass_context
def health(ctx: Context, wait_s: float, max_age_s: float | None) -> int:
    """Whether all is well: exit 0, or 1 with the reasons (5 when the database is down)."""
    ctx.read_ahead()
    importlib.import_module("noggin_mp.cli.database")
    on_disk = ctx.fall_back()
    deadline = time.monotonic() + wait_s
    while True:
        verdict, code = _judged(ctx, max_age_s)
        left = deadline - time.monotonic()
        if verdict.healthy or left <= 0:
            break
        time.sleep(min(_WAIT_STEP_S, left))
    if on_disk:
        broken = policy.Reason(
            code=errors.ConfigError.code,
            message=f"the configuration on disk is broken: {on_disk}",
            remedy="see noggin-mp config check",
        )
        verdict = dataclasses.replace(verdict, notes=(*verdict.notes, broken))
    data = {
        "healthy": verdict.healthy,
        "reasons": [dataclasses.asdict(one) for one in verdict.reasons],
        "notes": [dataclasses.asdict(one) for one in verdict.notes],
    }
    ctx.emit(data, lambda: _verdict_text(verdict))
    return code


def _judged(ctx: Context, max_age_s: float | None) -> tuple[policy.Verdict, int]:
    """The verdict and its exit code; a database that cannot be asked is the only reason then."""
    from noggin_mp.cli import database

    try:
        with database.opened(
            ctx, "health", start=False, timeout_s=_STATEMENT_TIMEOUT_S
        ) as connection:
            verdict = policy.judge(_facts(ctx, connection, max_age_s))
    except (errors.DatabaseUnreachable, errors.SchemaError) as error:
        reason = policy.Reason(code=error.code, message=error.message, remedy=error.remedy)
        return policy.Verdict(reasons=(reason,), notes=()), error.exit_code
    return verdict, int(not verdict.healthy)


def _facts(ctx: Context, connection: "session.Connection", max_age_s: float | None) -> policy.Facts:
    from noggin_mp.store import reports

    found = reports.snapshot(connection)
    progress = reports.progress(connection)
    return policy.Facts(
        supervisor=pidfile.read_state(ctx.essentials.state_folder),
        workers=found.workers,
        breakers=found.breakers,
        tips=found.tips,
        queue=found.queue,
        paused=found.paused,
        pause_reason=found.pause_reason,
        finished_age_s=progress.finished_age_s,
        rejected_rows=progress.rejected_rows,
        free_bytes=_free_bytes(Path(ctx.essentials.output)),
        min_free_bytes=ctx.essentials.min_free_bytes,
        max_age_s=max_age_s,
        api_host=ctx.essentials.api_host,
        policies=found.policies,
    )


def _free_bytes(folder: Path) -> int | None:
    """Free bytes where output goes; of the nearest folder above while it does not exist yet."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except FileNotFoundError:
            continue
        except OSError:
            return None
    return None


def _verdict_text(verdict: policy.Verdict) -> str:
    lines = ["healthy" if verdict.healthy else "not healthy"]
    for mark, found in (("", verdict.reasons), ("note: ", verdict.notes)):
        lines += [
            f"  {mark}{one.message}" + (f"; {one.remedy}" if one.remedy else "") for one in found
        ]
    return "\n".join(lines)


def _text(ctx: Context, found: "reports.Snapshot", supervisor: dict[str, Any], on_disk: str) -> str:
    state, pid = supervisor.get("state"), supervisor.get("pid")
    head = f"supervisor  {state}" + (f" (pid {pid})" if pid else "")
    reload = (supervisor.get("reload") or {}).get("state")
    if reload in _RELOADING:
        head += f"\n            reload: {reload}"
    if supervisor.get("config_error"):
        head += f"\n            reload refused: {supervisor['config_error']}"
    if supervisor.get("paused"):
        head += "\n            takes no new work: paused by a signal (WINCH ends it)"
    if on_disk:
        head += f"\n            the configuration on disk is broken: {on_disk}"
    if found.paused:
        head += f"\n            paused: {found.pause_reason or 'no reason given'}"
    counts = {name: n for name, n in found.tips.items() if n or name in ("pending", "complete")}
    blocks = [
        head,
        _counts("TIPs", counts),
        _counts("queue", found.queue),
        "breakers    " + (
            "all closed"
            if all(one["state"] == "closed" and not one["quarantined"] for one in found.breakers)
            else "\n" + tables.table(found.breakers, {
                "scope": "scope", "state": "state", "until": "until (UTC)",
                "quarantined": "in quarantine", "reason": "reason"})
        ),
        "workers     " + (
            "none" if not found.workers else "\n" + tables.table(found.workers, {
                "host": "host", "slot": "slot", "pid": "pid", "state": "state", "busy": "busy",
                "heartbeat_age_s": "heard s ago", "tip": "TIP"})
        ),
    ]  # fmt: skip
    text = "\n".join(blocks)
    return _coloured(text) if ctx.color else text


def _counts(label: str, counts: dict[str, int]) -> str:
    return f"{label:<12}" + "   ".join(f"{name} {number:,}" for name, number in counts.items())


def _coloured(text: str) -> str:
    """The words that matter, in their colours; the layout is that of plain text."""
    colours = {
        "permanently_failed": "red", "auth_stop": "red", "forced_open": "red", "parked": "red",
        "lost": "red", "paused": "yellow", "draining": "yellow", "half_open": "yellow",
        "complete": "green", "running": "green", "all closed": "green",
    }  # fmt: skip
    for word, colour in colours.items():
        text = text.replace(f" {word} ", f" {click.style(word, fg=colour)} ")
    return text
