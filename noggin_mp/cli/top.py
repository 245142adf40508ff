"""`top`: the fleet at work, looked at again and again."""

import contextlib
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click
import psycopg

from noggin_mp.cli import database, tables, units
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.store import notices, reports

if TYPE_CHECKING:
    from noggin_mp.store import session

_DONE: Final = ("complete", "not_found", "skipped")
_PACE_S: Final = 60.0
_SHARE: Final = 5
_ERRORS: Final = 5
_ERRORS_SINCE: Final = timedelta(minutes=15)
_STATEMENT_TIMEOUT_S: Final = 30.0
_COLOURS: Final = {
    "auth_stop": "red", "forced_open": "red", "open": "red", "parked": "red", "lost": "red",
    "silent": "red", "gone": "red", "blocked": "red", "paused": "yellow", "half_open": "yellow",
    "draining": "yellow",
}  # fmt: skip


class Looker:
    """Looks at the database; one that is away is told, and tried again at the next look."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._stack = contextlib.ExitStack()
        self._connection: session.Connection | None = None
        self._done: deque[tuple[float, int]] = deque()
        self.took_s = 0.0

    def look(self) -> dict[str, Any]:
        """What there is to see now. Raises: DatabaseUnreachable at the very first look only."""
        started = time.monotonic()
        try:
            if self._connection is None:
                self._connection = self._stack.enter_context(
                    database.opened(self._ctx, "top", timeout_s=_STATEMENT_TIMEOUT_S)
                )
            return self._seen(self._connection)
        except (psycopg.Error, errors.DatabaseUnreachable) as error:
            self.close()
            if not self._done:
                raise
            return {"at": datetime.now(UTC), "trouble": str(error).splitlines()[0]}
        finally:
            self.took_s = time.monotonic() - started

    def close(self) -> None:
        """Leave the database."""
        self._connection = None
        with contextlib.suppress(psycopg.Error, errors.NogginError):
            self._stack.close()

    def _seen(self, connection: "session.Connection") -> dict[str, Any]:
        found = reports.snapshot(connection)
        now = datetime.now(UTC)
        done = sum(found.tips[name] for name in _DONE)
        pace = self._pace(done)
        due = found.queue["ready"] + found.queue["leased"]
        return {
            "at": now,
            "tips": found.tips,
            "done": done,
            "total": sum(found.tips.values()) - found.tips["permanently_failed"],
            "per_s": None if pace is None else round(pace, 2),
            "eta_s": round(due / pace) if pace else None,
            "queue": found.queue,
            "paused": found.paused,
            "pause_reason": found.pause_reason,
            "breakers": [
                one for one in found.breakers if one["state"] != "closed" or one["quarantined"]
            ],
            "hosts": notices.hosts(connection),
            "workers": [one for one in found.workers if one["state"] != "stopped"],
            "requests": reports.requests_last_minute(connection),
            "errors": reports.failures(
                connection, by="message", since=now - _ERRORS_SINCE, limit=_ERRORS
            ),
        }

    def _pace(self, done: int) -> float | None:
        """TIPs done per second over the last minute of looking; None at the first look."""
        now = time.monotonic()
        self._done.append((now, done))
        while now - self._done[0][0] > _PACE_S and len(self._done) > 2:
            self._done.popleft()
        began, before = self._done[0]
        return (done - before) / (now - began) if now > began else None


@click.command(
    epilog="""\b
Examples:
  noggin-mp top
  noggin-mp top --interval 5
  noggin-mp top --once --json
"""
)
@click.option("--interval", type=click.FloatRange(min=0.2, max=3600), default=2.0,
              show_default=True, metavar="S", help="Seconds between two looks.")  # fmt: skip
@click.option("--once", is_flag=True, help="One look, then end; so without a terminal.")
@pass_context
def top(ctx: Context, interval: float, once: bool) -> None:
    """The fleet at work: progress, pace, queue, breakers, hosts, workers, errors. Ctrl-C ends it.

    With --json each look is one line.
    """
    looker = Looker(ctx)
    try:
        if ctx.json or once or not sys.stdout.isatty():
            _print(ctx, looker, interval, once=once or not ctx.json)
        else:
            _live(ctx, looker, interval)
    except KeyboardInterrupt:
        return
    finally:
        looker.close()


def _print(ctx: Context, looker: Looker, interval: float, *, once: bool) -> None:
    while True:
        seen = looker.look()
        ctx.emit(seen, lambda seen=seen: frame(seen))  # type: ignore[misc]
        sys.stdout.flush()
        if once:
            return
        _rest(looker, interval)


def _live(ctx: Context, looker: Looker, interval: float) -> None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(no_color=not ctx.color, highlight=False)
    shown = frame(looker.look())
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            lines = [line[: console.width] for line in shown.splitlines()[: console.height]]
            text = Text("\n".join(lines), no_wrap=True)
            for word, colour in _COLOURS.items():
                text.highlight_words([f" {word} "], style=colour)
            live.update(text, refresh=True)
            _rest(looker, interval)
            shown = frame(looker.look())


def _rest(looker: Looker, interval: float) -> None:
    """Wait; a database that takes long to answer is asked more rarely."""
    time.sleep(max(interval, _SHARE * looker.took_s))


def frame(seen: dict[str, Any]) -> str:
    """One look as text."""
    clock = f"{seen['at']:%H:%M:%S} UTC"
    if "trouble" in seen:
        return f"noggin-mp top  {clock}\n\nthe database cannot be read: {seen['trouble']}"
    pace = "measuring" if seen["per_s"] is None else f"{seen['per_s']:.1f}/s"
    eta = "" if seen["eta_s"] is None else f", empty in about {units.span(seen['eta_s'])}"
    tips, total = seen["tips"], seen["total"]
    states = ("pending", "partial", "failed", "api_failed", "interrupted", "not_found", "skipped")
    blocks = [
        f"noggin-mp top  {clock}   {seen['done']:,} of {total:,} TIPs done"
        f" ({units.share(seen['done'], total)}), {pace}{eta}\n{_bar(seen['done'], total)}",
        "queue     " + _counts(seen["queue"]) + f"   dead {tips['permanently_failed']:,}\n"
        "TIPs      " + _counts({name: tips[name] for name in states if tips[name]})
        + "\nrequests  " + (_requests(seen["requests"]) or "none in the last full minute"),
    ]  # fmt: skip
    if seen["paused"]:
        blocks.append(f"the fleet is paused: {seen['pause_reason'] or 'no reason given'}")
    if seen["breakers"]:
        blocks.append(tables.table(seen["breakers"], {
            "scope": "breaker", "state": "state ", "until": "until (UTC)",
            "quarantined": "in quarantine", "reason": "reason"}))  # fmt: skip
    blocks += [
        tables.table(seen["hosts"], {
            "host": "host", "state": "state ", "parked": "parked", "blocked": "blocked",
            "silent_s": "heard s ago"}, empty="no host has signed in so far"),
        tables.table(seen["workers"], {
            "host": "host", "slot": "slot", "state": "state ", "busy": "busy",
            "heartbeat_age_s": "heard s ago", "tip": "TIP"}, empty="no worker is at work"),
        tables.table(seen["errors"], {
            "failures": "failures", "tips": "TIPs", "what": "errors of the last 15 minutes"},
            empty="no error in the last 15 minutes"),
    ]  # fmt: skip
    return "\n\n".join(blocks)


def _bar(done: int, total: int, width: int = 60) -> str:
    filled = width * done // total if total else 0
    return "[" + "#" * filled + "." * (width - filled) + "]"


def _counts(counts: dict[str, int]) -> str:
    return "   ".join(f"{name} {number:,}" for name, number in counts.items()) or "none"


def _requests(found: list[dict[str, Any]]) -> str:
    return "   ".join(
        f"{one['role']} {one['requests']:,}/min,"
        f" {units.share(one['not_ok'], one['requests'])} not ok"
        for one in found
    )
