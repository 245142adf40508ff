"""`config reload`: ask the running supervisor for a reload, wait for it, and tell how it ended."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors

_STEP_S: Final = 0.05
_BEGINS_S: Final = 5.0
_WELL: Final = ("applied", "unchanged")


@click.command(
    epilog="""\b
Examples:
  noggin-mp config reload
  noggin-mp -c /etc/noggin-mp/noggin.yaml config reload --timeout 60 --json
  noggin-mp config reload --no-wait

\b
Exit codes: 0 applied; 1 no supervisor runs, it is stopping, or it has not finished in time;
3 the configuration is refused, or was rolled back: the old one is in effect, the fleet unharmed.
"""
)
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), default=300.0,
              show_default=True, metavar="S", help="Wait at most S seconds.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Only ask; do not wait for the outcome.")
@pass_context
def reload(ctx: Context, timeout_s: float, no_wait: bool) -> int:
    """Have the running supervisor read its configuration again; wait, and tell the outcome."""
    folder = ctx.state_folder
    before = _supervisor(folder)
    number = int(before.get("reload", {}).get("number", 0))
    _signal(int(before["pid"]), folder)
    if no_wait:
        ctx.emit({"asked": True, "pid": before["pid"]}, f"process {before['pid']} was asked")
        return 0
    last = _outcome(folder, int(before["pid"]), number + 1, timeout_s)
    if last["outcome"] not in _WELL:
        raise errors.ConfigError(f"the reload failed: {last['error']}")
    ctx.emit({"ok": True, **last}, lambda: _text(last))
    return 0


def _supervisor(folder: Path) -> dict[str, Any]:
    """What the running supervisor says. Raises: NotRunning."""
    from noggin_mp.supervisor import pidfile

    said, deadline = pidfile.read_state(folder), time.monotonic() + _BEGINS_S
    while said["pid"] is not None and "reload" not in said and time.monotonic() < deadline:
        time.sleep(_STEP_S)  # it begins just now, and a signal might end it
        said = pidfile.read_state(folder)
    if said["pid"] is None:
        hint = "start it: noggin-mp run"
        if said["state"] == "unknown":
            hint = "ask as the user that it runs as"
        raise errors.NotRunning(f"no supervisor is known to work in {folder}", remedy=hint)
    if said["state"] == "draining":
        raise errors.NotRunning(f"the supervisor (pid {said['pid']}) is stopping", remedy="wait")
    return said


def _signal(pid: int, folder: Path) -> None:
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        _gone(folder)
    except PermissionError:
        raise errors.NotRunning(
            f"this user may not signal the supervisor (pid {pid})", remedy="use sudo"
        ) from None


def _outcome(folder: Path, pid: int, number: int, timeout_s: float) -> dict[str, Any]:
    """How the reload with this number, or a later one, ended. Raises: NotRunning."""
    from noggin_mp.supervisor import pidfile

    deadline = time.monotonic() + timeout_s
    while True:
        said = pidfile.read_state(folder)
        last: dict[str, Any] = said.get("reload", {}).get("last") or {}
        if said["pid"] == pid and last.get("number", 0) >= number:
            return last
        if said["pid"] != pid or said["state"] == "draining":
            _gone(folder)
        if time.monotonic() > deadline:
            raise errors.NotRunning(
                f"the reload has not ended within {timeout_s:g} s:"
                f" {said.get('reload', {}).get('state')}",
                remedy="it goes on; see noggin-mp status",
            )
        time.sleep(_STEP_S)


def _gone(folder: Path) -> NoReturn:
    raise errors.NotRunning(f"the supervisor of {folder} has ended meanwhile")


def _text(last: dict[str, Any]) -> str:
    if last["outcome"] == "unchanged":
        return f"nothing has changed (version {last['version']})"
    return f"applied as version {last['version']}: {', '.join(last['changed'])}"


def difference(ctx: Context) -> dict[str, Any]:
    """What a reload would do: `running` (is there a supervisor), `changes`, and `does` in a word.

    Against the running supervisor's configuration; against the defaults when none runs. Raises:
    ConfigError when the configuration is one that a reload would refuse as invalid.
    """
    from noggin_mp.cli import reloading
    from noggin_mp.settings import catalogue, diff, schema
    from noggin_mp.supervisor import running

    folder = ctx.state_folder
    found = running.read(folder)
    if found is not None and not (ctx.breaker_defaults or ctx.breaker_hosts or ctx.breaker_roles):
        options = found.pinned.get(reloading.BREAKER_OPTIONS) or [[], [], []]
        ctx.breaker_defaults, ctx.breaker_hosts, ctx.breaker_roles = map(tuple, options)
    pinned = found.pinned if found is not None else {}
    fresh = catalogue.read(reloading.pin(ctx.load().settings, pinned))
    salt = found.salt if found is not None else ""
    defaults = schema.Settings().with_types(fresh.types)
    before = found.facts if found is not None else running.facts(defaults, salt)
    changed = diff.changes(before, running.facts(fresh, salt))
    return {
        "running": found is not None,
        "version": found.version if found is not None else None,
        "does": diff.whole(changed),
        "changes": [
            {"key": one.key, "old": one.old, "new": one.new, "how": one.how} for one in changed
        ],
    }


def difference_text(found: dict[str, Any]) -> str:
    """A reload's difference for people."""
    lines = []
    if not found["running"]:
        lines.append("no supervisor runs with this configuration; what differs from the defaults:")
    elif not found["changes"]:
        lines.append(f"a reload would change nothing (version {found['version']} is in effect)")
    else:
        does = {
            "live": "a reload would apply this in place, without replacing a process:",
            "rolled": "a reload would replace workers one after another, the monitor last:",
            "restart": "a reload would be REFUSED: what is marked restart needs a restart:",
        }
        lines.append(does[found["does"]])
    for one in found["changes"]:
        old, new = (_shown(one[name]) for name in ("old", "new"))
        how = f"  [{one['how']}]" if found["running"] else ""
        lines.append(f"  {one['key']}: {old} -> {new}{how}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    return "(inherited)" if value == "(inherited)" else json.dumps(value, ensure_ascii=False)
