"""`noggin-mp demo`: database, simulator, import and fleet in one command, with live progress."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import click

from noggin_mp.cli.context import Context, pass_context

if TYPE_CHECKING:
    from noggin_mp.cli.demo_world import World

FAULTS: Final = "429=1%,500=2%,503=1%,stall=0.3%,truncate=0.7%,html=0.5%,reset=0.5%"
_STOP_S: Final = 40.0


@click.command(
    epilog="""\b
Examples:
  noggin-mp demo
  noggin-mp demo --tips 2000 --workers 8 --exit
  noggin-mp demo --fresh --faults "500=10%"

\b
On a terminal it stays up until Ctrl-C, so that you can look around; with --exit, or without a
terminal, it ends when the queue is drained. Run it again to resume; --fresh starts over.
"""
)
@click.option("--tips", type=click.IntRange(1, 100_000), default=200, show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=4, show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=8, show_default=True)
@click.option("--faults", default=FAULTS, show_default=True, help="Fault mix of the simulator.")
@click.option("--fresh", is_flag=True, help="Remove what an earlier demo left, and start over.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the status page.")
@click.option("--dsn", default="", help="Use this database instead of an embedded one.")
@click.option("--exit", "leave", is_flag=True, help="End when the queue is drained.")
@pass_context
def demo(
    ctx: Context,
    tips: int,
    workers: int,
    threads: int,
    faults: str,
    fresh: bool,
    port: int | None,
    dsn: str,
    leave: bool,
) -> int:
    """Try everything: a private Postgres, a fake Noggin API with faults, and a fleet at work."""
    from noggin_mp.cli import demo_view, demo_world

    world = demo_world.prepare(
        ctx, tips=tips, workers=workers, threads=threads, port=port, dsn=dsn, fresh=fresh
    )
    stay = not leave and sys.stdout.isatty() and not ctx.json
    ctx.note(f"database    {world.place}")
    with _simulator(world, faults) as api:
        world.write_config(api)
        ctx.note(f"simulator   {api['base_url']} with faults: {faults or 'none'}")
        _import(ctx, world)
        ctx.note(f"fleet       {workers} workers with {threads} threads each, log {world.log}")
        code = _fleet(ctx, world, stay=stay)
    ctx.emit(world.report(code), lambda: demo_view.closing(world, code))
    return code


@contextlib.contextmanager
def _simulator(world: "World", faults: str) -> Iterator[dict[str, Any]]:
    """The fake API as a process of its own, and what it announced. Ended afterwards."""
    command = [
        *world.program, "simulate", "--tips", str(world.tips), "--seed", str(world.seed),
        "--faults", faults, "--retry-after-max", "1", "--stall-s", "5", "--control",
        "--export", str(world.export), "--media-bytes", "20000-120000", "--latency-ms", "5-30",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit(process.wait())  # it has said why, on stderr
        yield json.loads(line)
    finally:
        _end(process, signal.SIGTERM, 5.0)


def _import(ctx: Context, world: "World") -> None:
    """Load names and TIPs with the verbs that people use."""
    for kind, file in world.lookups():
        _must([*world.command, "-q", "import", "--lookups", kind, str(file), "--json"])
    told = json.loads(_must([*world.command, "-q", "import", str(world.export), "--json"]))
    for file in told["files"]:
        ctx.note(
            f"import      {file['imported']:,} TIPs imported, {file['known']:,} known already,"
            f" {file['rejected']:,} rows rejected"
        )


def _must(command: list[str]) -> str:
    """What the command printed; exit code 1 (needs attention) is fine. Ends with it otherwise."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode > 1:
        raise SystemExit(done.returncode)
    return done.stdout


def _fleet(ctx: Context, world: "World", *, stay: bool) -> int:
    """Run the fleet and show it until it ends, or until Ctrl-C; its exit code."""
    from noggin_mp.cli import demo_view

    command = [*world.command, "run"]
    if not stay:
        command += ["--until-drained", "--horizon", "86400"]
    with world.log.open("ab") as log:
        # A session of its own: Ctrl-C comes to us, and we pass it on once the view is closed.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            with demo_view.watching(ctx, world, stay=stay) as look:
                while process.poll() is None:
                    look()
                    time.sleep(0.2)
        except KeyboardInterrupt:
            ctx.note("draining: work in hand is finished or handed back")
        finally:
            interrupted = process.poll() is None
            code = _end(process, signal.SIGTERM, _STOP_S)
    if code and not interrupted:
        ctx.note(demo_view.tail(world.log))
    return code


def _end(process: "subprocess.Popen[Any]", sign: int, patience_s: float) -> int:
    """The exit code of a child of ours, asked to end and in the end made to."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, sign)
    try:
        return process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
