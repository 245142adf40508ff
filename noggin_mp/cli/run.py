"""`run`, `worker`, `monitor`: the processes that do the work."""

import datetime
from typing import TYPE_CHECKING, Any

import click

from noggin_mp.cli import breaker_options, reloading, sessions
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors

if TYPE_CHECKING:  # pydantic is slow to import, and --help needs no settings
    from noggin_mp.settings.schema import Settings

_APPLICATION = "noggin-mp preflight"


@click.command(
    epilog="""\b
Examples:
  noggin-mp run
  noggin-mp run --until-drained --workers 4 --threads 8
  noggin-mp run --tip 0f3a...c9
  noggin-mp run --dry-run
  noggin-mp run --breaker api.example=fail_max:5,reset:60

\b
Signals: TERM or Ctrl-C drains and exits 0; a second Ctrl-C hands everything back at once (130);
a third kills. HUP reloads the configuration; USR1 opens the log files again; USR2 writes the
state to the log; TTIN and TTOU add and take away a worker; WINCH pauses leasing, or ends that.

\b
Exit codes with --until-drained: 0 all done; 1 some TIPs failed for good; 4 the token is refused;
8 the disk is full or the output folder fails. Without it, a fleet waits for these to be mended.
"""
)
@click.option("--workers", type=click.IntRange(1, 512), help="Worker processes.")
@click.option("--threads", type=click.IntRange(1, 256), help="Job threads of each worker.")
@click.option("--until-drained", is_flag=True, help="End when nothing is left to do.")
@click.option(
    "--horizon",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="S",
    help="With --until-drained: wait also for retries that are due within S seconds.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N TIPs.")
@click.option("--tip", metavar="TIP", help="Process this one TIP here, and end.")
@click.option("--dry-run", is_flag=True, help="Only check that a fleet could run, and say how.")
@breaker_options.layered
@pass_context
def run(
    ctx: Context,
    workers: int | None,
    threads: int | None,
    until_drained: bool,
    horizon: float,
    limit: int | None,
    tip: str | None,
    dry_run: bool,
) -> int:
    """Supervise a fleet of workers until it is told to stop, or has nothing left to do."""
    from noggin_mp.observe import logs
    from noggin_mp.supervisor import preflight

    _refuse_nonsense(until_drained, horizon, limit, tip, workers or threads)

    def adjusted(settings: "Settings") -> "Settings":
        return _adjusted(ctx, settings, workers=workers, threads=threads)

    settings = adjusted(ctx.settings)
    breaker_options.tell_strays(ctx)
    logs.configure(**settings.log_options)
    found = _told(ctx, preflight.run(lambda: _check(settings)))
    if dry_run:
        return _dry_run(ctx, settings, found)
    if tip is not None:
        return _one(ctx, settings, tip)

    sizes = {"fleet.workers": workers, "fleet.threads": threads}
    return _supervise(
        ctx,
        settings,
        until_drained=until_drained,
        horizon_s=horizon,
        limit=limit,
        source=reloading.source(
            ctx,
            adjusted,
            examine=reloading.examine_worker,
            pinned={key: n for key, n in sizes.items() if n is not None} | _pinned_level(ctx),
        ),
    )


@click.command(
    epilog="""\b
Examples:
  noggin-mp worker --slot 0
  noggin-mp worker --slot 3 -c /etc/noggin-mp/noggin.yaml

\b
For supervisord's numprocs or systemd's templates: give each process a slot of its own, and run one
noggin-mp monitor beside them, for somebody must reap, promote and serve the metrics.
"""
)
@click.option("--slot", type=click.IntRange(0, 9999), required=True, help="This worker's number.")
@click.option("--threads", type=click.IntRange(1, 256), help="Job threads.")
@breaker_options.layered
@pass_context
def worker(ctx: Context, slot: int, threads: int | None) -> int:
    """One worker alone, in the foreground; TERM or Ctrl-C drains."""
    from noggin_mp.domain import fleet
    from noggin_mp.observe import logs
    from noggin_mp.supervisor import alone, preflight
    from noggin_mp.worker import loop

    def adjusted(settings: "Settings") -> "Settings":
        return _adjusted(ctx, settings, threads=threads)

    settings = adjusted(ctx.settings)
    breaker_options.tell_strays(ctx)
    logs.configure(**settings.log_options)
    _told(ctx, preflight.run(lambda: _check(settings)))
    source = reloading.source(ctx, adjusted, examine=reloading.examine_worker)
    return alone.run(fleet.ChildKind.WORKER, slot, settings, loop.main, source=source)


@click.command(
    epilog="""\b
Examples:
  noggin-mp monitor
  curl http://127.0.0.1:9109/healthz
"""
)
@breaker_options.layered
@pass_context
def monitor(ctx: Context) -> int:
    """One monitor alone, in the foreground: metrics, health, and upkeep of the queue."""
    from noggin_mp.domain import fleet
    from noggin_mp.monitor import app
    from noggin_mp.observe import logs
    from noggin_mp.supervisor import alone, preflight

    def adjusted(settings: "Settings") -> "Settings":
        return _adjusted(ctx, settings)

    settings = adjusted(ctx.settings)
    logs.configure(**settings.log_options)
    _told(ctx, preflight.run(lambda: _check_database(settings)))
    source = reloading.source(ctx, adjusted, examine=reloading.examine_database)
    return alone.run(fleet.ChildKind.MONITOR, 0, settings, app.main, source=source)


def _refuse_nonsense(
    until_drained: bool, horizon: float, limit: int | None, tip: str | None, sized: int | None
) -> None:
    """Refuse options that contradict one another. Raises: click.UsageError."""
    if horizon and not until_drained:
        raise click.UsageError("--horizon needs --until-drained")
    if tip is not None and (until_drained or limit or sized):
        raise click.UsageError("--tip does one TIP here: it goes with no option about a fleet")


def _adjusted(
    ctx: Context,
    settings: "Settings",
    *,
    workers: int | None = None,
    threads: int | None = None,
) -> "Settings":
    """The settings as the command line has them, with their object types. Raises: ConfigError."""
    from noggin_mp.settings import catalogue

    sizes = {"workers": workers, "threads": threads}
    fleet = settings.fleet.model_copy(update={k: v for k, v in sizes.items() if v is not None})
    level = _pinned_level(ctx).get("log.level", settings.log.level)
    log = settings.log.model_copy(update={"level": level})
    return catalogue.read(settings.model_copy(update={"fleet": fleet, "log": log}))


def _pinned_level(ctx: Context) -> dict[str, str]:
    """The log level as -v or -q fixes it."""
    level = "debug" if ctx.verbose else "warning" if ctx.quiet else None
    return {} if level is None else {"log.level": level}


def _told(ctx: Context, found: dict[str, Any]) -> dict[str, Any]:
    """`found`, after its notes were told: once, and not by each worker again."""
    import warnings

    from noggin_mp.settings import secrets

    for note in found["notes"]:
        ctx.note(note)
    warnings.simplefilter("ignore", secrets.OpenToken)
    return found


def _check(settings: "Settings") -> dict[str, Any]:
    """What a worker needs: a token, a folder to write to, a database. Runs in a child of its own.

    Raises: CredentialsError, PathUnusable, DiskFull, and what `_check_database` raises.
    """
    import warnings

    from noggin_mp.gateway import files
    from noggin_mp.settings import secrets

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", secrets.OpenToken)
        secrets.read_token(settings)
    files.ensure_writable(settings.paths.output)
    found = _check_database(settings)
    return found | {"notes": [*(str(one.message) for one in caught), *found["notes"]]}


def _check_database(settings: "Settings") -> dict[str, Any]:
    """Start the embedded server if that is the one, and fill an empty database.

    Raises: DatabaseUnreachable; SchemaError when the schema is older or newer than this program.
    """
    from noggin_mp.store import dsn, pooler, schema, session

    name, notes = settings.database.schema_name, []
    where = dsn.resolve(settings.database.dsn, settings.paths.state, start=True)
    with (
        session.telling(where),
        session.connect(where, schema=name, application_name=_APPLICATION) as connection,
    ):
        pooler.check(connection)
        if schema.version(connection, name) == 0:
            applied = schema.migrate(connection, schema=name)
            notes.append(f"the database was empty: {len(applied)} migrations applied")
        schema.check(connection, name)
    return {"notes": notes, "database": session.place(where)}


def _dry_run(ctx: Context, settings: "Settings", found: dict[str, Any]) -> int:
    """Say what would run. Raises: AlreadyRunning, PortInUse, as the run itself would."""
    from noggin_mp.supervisor import holdings

    held = holdings.Holdings(settings)
    listening = held.listening
    held.close()
    plan = {
        "workers": settings.fleet.workers,
        "threads": settings.fleet.threads,
        "host": settings.fleet.host,
        "database": found["database"],
        "api": settings.api.base_url,
        "output": str(settings.paths.output),
        "listening": listening,
    }
    ctx.emit(
        {"dry_run": True, **plan},
        lambda: "all is ready to run:\n" + "\n".join(f"  {k:<10}{v}" for k, v in plan.items()),
    )
    return 0


def _one(ctx: Context, settings: "Settings", tip: str) -> int:
    from noggin_mp.domain.tip import Tip
    from noggin_mp.store import fleet as slots
    from noggin_mp.supervisor import alone
    from noggin_mp.worker import single

    # A slot of its own, so that it may work beside a fleet of this host.
    code = alone.run_beside(settings, single.entry_for(Tip(tip)), first=slots.ONE_OFF_SLOTS)
    ctx.emit({"tip": tip, "exit_code": code}, "")
    return code


def _supervise(ctx: Context, settings: "Settings", **choices: Any) -> int:
    """Import all that children need, then fork them: they share its memory."""
    from noggin_mp.monitor import app
    from noggin_mp.observe import metrics, session_log
    from noggin_mp.supervisor import loop as supervisor
    from noggin_mp.worker import loop as worker_loop

    name = session_log.file_name(datetime.datetime.now(settings.zone))
    fleet = supervisor.Supervisor(
        settings,
        worker_entry=worker_loop.main,
        monitor_entry=app.main,
        options=supervisor.Options(
            prepare_metrics=metrics.prepare,
            job={"session": name},
            **choices,
        ),
    )
    try:
        code = fleet.run()
    except errors.NogginError as error:
        sessions.end(settings, name, error.exit_code, str(error))
        raise
    sessions.end(settings, name, code, fleet.reason)
    ctx.emit({"exit_code": code, "reason": fleet.reason}, "")
    return code
