"""What a demo shows while it runs, and what it says at the end."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from noggin_mp.cli.context import Context
from noggin_mp.cli.demo_world import World
from noggin_mp.domain import errors
from noggin_mp.store import reports, session

if TYPE_CHECKING:
    from rich import table

_LOOK_S: Final = 0.5
_LINE_S: Final = 5.0
_BAR: Final = 32
_SETTLED: Final = ("complete", "not_found", "skipped")


class Watch:
    """Reads the state of the demo's fleet; a lost database shows the last one known."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connection: session.Connection | None = None
        self._began = time.monotonic()
        self._before: int | None = None
        self._done_at: float | None = None
        self.snapshot: reports.Snapshot | None = None
        self.told = ""

    def refresh(self) -> None:
        """Look at the database once."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = session.connect(
                    self._world.dsn,
                    schema=self._world.settings.database.schema_name,
                    application_name="noggin-mp demo",
                )
            self.snapshot = reports.snapshot(self._connection)
        except (psycopg.Error, errors.DatabaseUnreachable):
            return
        if self._before is None:
            self._before = self.settled
        if self.settled < self.total:
            self._done_at = None
        elif self._done_at is None:
            self._done_at = time.monotonic()

    def close(self) -> None:
        """Leave the database."""
        if self._connection is not None:
            self._connection.close()

    @property
    def total(self) -> int:
        """Every TIP there is."""
        found = self.snapshot
        if found is None:
            return 0
        return sum(count for name, count in found.tips.items() if name != "permanently_failed")

    @property
    def settled(self) -> int:
        """The TIPs of which nothing is left to do."""
        return sum(self.snapshot.tips[name] for name in _SETTLED) if self.snapshot else 0

    @property
    def rate(self) -> float:
        """TIPs settled per second since the demo's fleet began."""
        seconds = (self._done_at or time.monotonic()) - self._began
        return (self.settled - (self._before or 0)) / seconds if seconds > 0 else 0.0

    @property
    def eta(self) -> str:
        """How long the rest will take at this rate."""
        left = self.total - self.settled
        if not left:
            return "done"
        return f"{left / self.rate:.0f} s left" if self.rate > 0 else "…"

    @property
    def breaker(self) -> str:
        """The scopes that are not closed, or that all are."""
        held = [
            f"{one['scope']} {one['state']}"
            for one in (self.snapshot.breakers if self.snapshot else ())
            if one["state"] != "closed"
        ]
        return ", ".join(held) or "closed"


@contextlib.contextmanager
def watching(ctx: Context, world: World, *, stay: bool) -> Iterator[Callable[[], None]]:
    """A function to call again and again: it shows how far the fleet has come."""
    watch = Watch(world)
    try:
        if ctx.quiet:
            yield lambda: None
        elif sys.stderr.isatty():
            with _live(ctx, world, watch, stay) as look:
                yield look
        else:
            yield _lines(ctx, watch)
            watch.refresh()
            if watch.told != _line(watch):
                ctx.note(_line(watch))
    finally:
        watch.close()


def _lines(ctx: Context, watch: Watch) -> Callable[[], None]:
    next_at = time.monotonic() + 1.0

    def look() -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + _LINE_S
            watch.refresh()
            watch.told = _line(watch)
            ctx.note(watch.told)

    return look


def _line(watch: Watch) -> str:
    if watch.snapshot is None:
        return "progress    the database does not answer"
    queue = watch.snapshot.queue
    share = watch.settled / watch.total if watch.total else 0.0
    return (
        f"progress    {watch.settled:,} of {watch.total:,} settled ({share:.0%}),"
        f" {watch.rate:.1f}/s, {watch.eta}; ready {queue['ready']}, leased {queue['leased']},"
        f" retries {queue['later']}; breaker {watch.breaker}"
    )


@contextlib.contextmanager
def _live(ctx: Context, world: World, watch: Watch, stay: bool) -> Iterator[Callable[[], None]]:
    from rich import console, live

    screen = console.Console(stderr=True, no_color=ctx.no_color)
    with live.Live(_panel(world, watch, stay), console=screen, auto_refresh=False) as shown:
        next_at = 0.0

        def look() -> None:
            nonlocal next_at
            if time.monotonic() >= next_at:
                next_at = time.monotonic() + _LOOK_S
                watch.refresh()
                shown.update(_panel(world, watch, stay), refresh=True)

        yield look
        watch.refresh()
        shown.update(_panel(world, watch, False), refresh=True)


def _panel(world: World, watch: Watch, stay: bool) -> "table.Table":
    from rich import table, text

    grid = table.Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    share = watch.settled / watch.total if watch.total else 0.0
    filled = round(share * _BAR)
    bar = text.Text("━" * filled, style="green") + text.Text("━" * (_BAR - filled), style="dim")
    grid.add_row("progress", bar + text.Text(f" {share:.0%}  {watch.rate:.1f}/s  {watch.eta}"))
    if watch.snapshot is not None:
        tips, queue = watch.snapshot.tips, watch.snapshot.queue
        states = "  ".join(f"{name} {count:,}" for name, count in tips.items() if count)
        grid.add_row("TIPs", states or "none yet")
        grid.add_row(
            "queue",
            f"ready {queue['ready']:,}  leased {queue['leased']:,}  retries {queue['later']:,}",
        )
        calm = watch.breaker == "closed"
        grid.add_row("breaker", text.Text(watch.breaker, style="green" if calm else "yellow"))
        grid.add_row("workers", _workers(watch.snapshot.workers))
    grid.add_row("page", world.page)
    if stay:
        hint = "everything is done; Ctrl-C ends the demo" if watch.eta == "done" else "Ctrl-C ends"
        grid.add_row("", text.Text(hint, style="dim"))
    return grid


def _workers(workers: list[dict[str, Any]]) -> str:
    return "  ".join(f"{one['slot']}: {one['state']} ({one['busy']})" for one in workers) or "…"


def closing(world: World, code: int) -> str:
    """Where everything lies, and what to try next."""
    outcome = (
        "done" if code == 0 else f"ended with exit code {code}; the log tells more: {world.log}"
    )
    lines = [
        "",
        outcome,
        f"  files     {world.output}",
        f"  psql      {world.hint} db psql",
        f"  page      {world.page} while the fleet runs",
        f"  metrics   {world.page}metrics",
        f"  settings  {world.config}",
        "",
        "try next:",
        f"  {world.hint} status",
        f"  {world.hint} tips list --where not_found",
        f"  {world.hint} db psql -- -c 'TABLE loader_status'",
        "",
        f"the database keeps running; end it with: {world.hint} db stop",
    ]
    return "\n".join(lines)


def tail(log: Path, lines: int = 5) -> str:
    """The end of the fleet's log."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-lines:])
    return ""
