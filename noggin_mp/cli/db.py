"""`db`: start, stop, migrate, status, psql; `backup` has a module of its own."""

import os
import shutil
import sys
from typing import Any, NoReturn

import click

from noggin_mp.cli import db_backup
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors

_APPLICATION = "noggin-mp db"


@click.group(
    epilog="""\b
Examples:
  noggin-mp db start
  noggin-mp db migrate --dry-run
  noggin-mp db status --json
  noggin-mp db psql -- -c 'SELECT processing_status, count(*) FROM noggin_data GROUP BY 1'
"""
)
def db() -> None:
    """Start, stop, migrate, dump and query the database."""


db.add_command(db_backup.backup)


@db.command(epilog="\b\nExamples:\n  noggin-mp db start\n  noggin-mp db start --json\n")
@pass_context
def start(ctx: Context) -> None:
    """Start the embedded server (used when database.dsn is empty); prints its DSN."""
    from noggin_mp.store import embedded

    if ctx.settings.database.dsn:
        raise errors.UsageError(
            "database.dsn is set, so the embedded server is not used",
            remedy="start that server by its own means, or remove database.dsn",
        )
    dsn = embedded.ensure_running(ctx.settings.paths.state)
    ctx.emit({"dsn": dsn, "running": True}, dsn)


@db.command(epilog="\b\nExamples:\n  noggin-mp db stop\n")
@pass_context
def stop(ctx: Context) -> None:
    """Stop the embedded server; nothing to do when it does not run."""
    from noggin_mp.store import embedded

    stopped = embedded.stop(ctx.settings.paths.state)
    ctx.note("the embedded database is stopped" if stopped else "no embedded database is running")
    ctx.emit({"stopped": stopped, "running": False}, "")


@db.command(epilog="\b\nExamples:\n  noggin-mp db migrate --dry-run\n  noggin-mp db migrate\n")
@click.option("--dry-run", is_flag=True, help="Only list what is pending.")
@pass_context
def migrate(ctx: Context, dry_run: bool) -> None:
    """Bring the database's schema up to this program's; safe to run from several places at once."""
    from noggin_mp.store import pooler, schema, session

    name = ctx.settings.database.schema_name
    with session.connect(ctx.dsn(), schema=name, application_name=_APPLICATION) as connection:
        pooler.check(connection)
        done = schema.migrate(connection, schema=name, dry_run=dry_run)
        version = schema.version(connection, name)
    listed = [{"version": step.version, "name": step.name, "file": step.file} for step in done]
    word = "pending" if dry_run else "applied"
    lines = [f"{word} {step.file}" for step in done] or [
        f"nothing pending: the schema is at version {version}"
    ]
    ctx.emit(
        {"dry_run": dry_run, word: listed, "database_schema": name, "database_version": version},
        "\n".join(lines),
    )


@db.command(epilog="\b\nExamples:\n  noggin-mp db status\n  noggin-mp db status --json\n")
@pass_context
def status(ctx: Context) -> None:
    """How the database stands. Reports and exits 0, also when it does not run."""
    found = _status(ctx)
    ctx.emit(found, lambda: _in_words(found))


@db.command(
    context_settings={"ignore_unknown_options": True},
    epilog="\b\nExamples:\n  noggin-mp db psql\n  noggin-mp db psql -- -X -f report.sql\n",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@pass_context
def psql(ctx: Context, arguments: tuple[str, ...]) -> NoReturn:
    """Open psql on the database; what follows -- goes to psql."""
    from noggin_mp.store import session

    parts = session.parse(ctx.dsn())
    environment = dict(os.environ)
    # Whoever may list processes sees arguments; the environment only its owner.
    if password := parts.pop("password", None):
        environment["PGPASSWORD"] = str(password)
    parts.pop("sslpassword", None)
    program = _psql(embedded=not ctx.settings.database.dsn)
    sys.stdout.flush()
    os.execve(program, ["psql", "-d", session.text(parts), *arguments], environment)  # noqa: S606


def _psql(*, embedded: bool) -> str:
    """The wheel's psql for the wheel's server; else the one people installed."""
    from noggin_mp.store import embedded as embedded_server

    found = None if embedded else shutil.which("psql")
    if found is not None:
        return found
    try:
        return str(embedded_server.psql_path())
    except errors.ConfigError as error:
        raise errors.ConfigError(
            "there is no psql on this machine",
            remedy="install postgresql-client, or run pip install 'noggin-mp[embedded]'",
        ) from error


def _status(ctx: Context) -> dict[str, Any]:
    from noggin_mp.store import embedded, pooler, schema, session

    settings = ctx.settings
    server = None if settings.database.dsn else embedded.status(settings.paths.state)
    found: dict[str, Any] = {
        "running": False,
        "dsn": server.dsn if server else None,
        "embedded": not settings.database.dsn,
        "schema_version": None,
        "program_version": schema.latest(),
        "server_version": None,
        "data_directory": str(server.data_directory) if server else None,
        "pid": server.pid if server else None,
        "problem": None,
    }
    try:
        dsn = ctx.dsn(start=False)
        found["dsn"] = session.redact(dsn)
        name = settings.database.schema_name
        with session.connect(dsn, schema=name, application_name=_APPLICATION) as connection:
            found["running"] = True
            found["server_version"] = session.server_version(connection)
            found["data_directory"] = session.data_directory(connection)
            found["schema_version"] = schema.version(connection, name)
            pooler.check(connection)
            schema.check(connection, name)
    except (errors.DatabaseUnreachable, errors.SchemaError, errors.ConfigError) as error:
        found["problem"] = str(error)
    return found


def _in_words(found: dict[str, Any]) -> str:
    kind = "embedded" if found["embedded"] else "configured"
    version = f" (Postgres {found['server_version']})" if found["server_version"] else ""
    lines = [
        f"database   {kind}, {'running' if found['running'] else 'not running'}{version}",
        f"dsn        {found['dsn'] or '-'}",
        f"schema     version {_dash(found['schema_version'])} of {found['program_version']}",
        f"data       {found['data_directory'] or '-'}",
    ]
    if found["problem"]:
        lines.append(f"problem    {found['problem']}")
    return "\n".join(lines)


def _dash(value: object) -> str:
    return "-" if value is None else str(value)
