"""Progress of long work on stderr: a bar on a terminal, else a line every ten seconds."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from noggin_mp.cli.context import Context

LINE_EVERY_S = 10.0


@contextlib.contextmanager
def of_bytes(ctx: Context, label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A function to be told how many of `total` bytes are done."""
    if ctx.quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(ctx, label, total) as tell:
            yield tell
    else:
        yield _lines(ctx, label, total)


@contextlib.contextmanager
def _bar(ctx: Context, label: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich import console, progress  # slow to import, and only people need it

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    screen = console.Console(stderr=True, no_color=not ctx.color)
    with progress.Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def _lines(ctx: Context, label: str, total: int) -> Callable[[int], None]:
    began = told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told < LINE_EVERY_S:
            return
        told = now
        share = done / total if total else 1.0
        left = (now - began) * (1 - share) / share if share else 0.0
        ctx.note(f"{label}: {share:.0%} read, {left:.0f} s left to read")

    return tell
