"""`token`: is the API's token good, and a new one put in its place."""

import contextlib
import datetime
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Final

import click

from noggin_mp.cli import database
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.cli.findings import Finding, State, run
from noggin_mp.domain import errors, tokens

_LONGEST: Final = 65_536


@click.group(
    epilog="""\b
Examples:
  noggin-mp token check
  pass show noggin/token | noggin-mp token set --reason "rotation"
"""
)
def token() -> None:
    """The API's token: check it, or put a new one in its place."""


@token.command(epilog="\b\nExamples:\n  noggin-mp token check\n  noggin-mp token check --offline\n")
@click.option("--offline", is_flag=True, help="Do not ask the API.")
@pass_context
def check(ctx: Context, offline: bool) -> int:
    """Where the token comes from, when it expires, and whether the API takes it.

    One request. Exit code 0, 4 when the token is refused or there is none, 6 without the API.
    """
    found = _looked(ctx.settings, offline=offline)
    code = next((one.exit_code for one in found if one.state is State.FAILED), 0)
    ctx.emit(
        {
            "ok": code == 0,
            "checks": [
                {"check": one.check, "state": str(one.state), "found": one.found,
                 "remedy": one.remedy} for one in found
            ],
        },
        "\n".join(_line(one) for one in found),
    )  # fmt: skip
    return code


@token.command(
    name="set",
    epilog="""\b
Examples:
  noggin-mp token set
  noggin-mp token set --reason "rotation" < new-token.txt
  noggin-mp token set --dry-run
""",
)
@click.option("--reason", default="", help="Why, for the audit log.")
@click.option("--force", is_flag=True, help="Take it even if the API refuses it or is away.")
@click.option("--dry-run", is_flag=True, help="Try the token; change nothing.")
@pass_context
def set_(ctx: Context, reason: str, force: bool, dry_run: bool) -> None:
    """Read a token from stdin or a prompt that shows nothing, try it, and swap api.token_file.

    The file is replaced whole; a running fleet takes the new token up by itself. What the API
    refuses is not taken (exit code 4), nor what cannot be tried (6).
    """
    file = _file(ctx)
    fresh = _checked(_read(), ctx.settings)
    tried = [one for one in _looked(_with(ctx.settings, fresh), offline=False)
             if one.check == "api"]  # fmt: skip
    refused = next((one for one in tried if one.state is State.FAILED), None)
    if refused is not None and not force:
        kind = errors.CredentialsError if refused.exit_code == 4 else errors.ApiUnreachable
        raise kind(
            f"the token was not taken: {refused.found}",
            remedy="give a valid one, or use --force to take it all the same",
        )
    expires = tokens.expires_at(fresh)
    when = None if expires is None else datetime.datetime.fromtimestamp(expires, datetime.UTC)
    if not dry_run:
        _swap(file, fresh)
        _audit(ctx, file, reason, forced=refused is not None)
    until = "" if when is None else f", it expires on {when:%Y-%m-%d %H:%M} UTC"
    does = "would be put" if dry_run else "is"
    again = "" if dry_run else "; a running fleet takes it up by itself"
    ctx.emit(
        {"file": str(file), "changed": not dry_run, "accepted": refused is None,
         "expires_at": when, "dry_run": dry_run},
        f"the API takes the token{until}; it {does} in {file}{again}"
        if refused is None else f"untried or refused, the token {does} in {file}{until}",
    )  # fmt: skip


def _looked(settings: Any, *, offline: bool) -> list[Finding]:
    """What the doctor says of the token and the API."""
    from noggin_mp.cli import doctor_api

    doctor = doctor_api.Doctor(settings, offline=offline, subject=lambda: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [one for check in doctor.checks() for one in run(check)]


def _line(one: Finding) -> str:
    return f"{one.state:<8} {one.check:<6} {one.found}" + (f"; {one.remedy}" if one.remedy else "")


def _file(ctx: Context) -> Path:
    """The file that the token is in. Raises: ConfigError when it is in none."""
    from noggin_mp.settings import secrets

    file = ctx.settings.api.token_file
    if file is None:
        raise errors.ConfigError(
            f"the token comes from {secrets.origin(ctx.settings)}, where it cannot be set",
            remedy="change it there, or set api.token_file in the configuration",
        )
    return file.resolve()  # behind a link the file itself is replaced, not the link


def _read() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("new token", hide_input=True, err=True))
    return sys.stdin.read(_LONGEST)


def _with(settings: Any, fresh: str) -> Any:
    """The settings with this token in place of theirs."""
    from pydantic import SecretStr

    given = {"token": SecretStr(fresh), "token_file": None, "token_command": ""}
    return settings.model_copy(update={"api": settings.api.model_copy(update=given)})


def _checked(text: str, settings: Any) -> str:
    """The one token in `text`. Raises: CredentialsError."""
    from noggin_mp.settings import secrets

    try:
        return secrets.read_token(_with(settings, text.strip()))
    except errors.CredentialsError as error:
        message = error.message.replace("api.token", "what was given")
        raise errors.CredentialsError(message, remedy=error.remedy) from None


def _swap(file: Path, fresh: str) -> None:
    """Replace the file whole; its owner and mode stay, a new one is its user's alone.

    Raises: PathUnusable.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".tmp", dir=file.parent)
        try:
            with os.fdopen(handle, "w", encoding="ascii") as partial:
                partial.write(fresh + "\n")
                with contextlib.suppress(FileNotFoundError):
                    before = file.stat()
                    os.fchown(partial.fileno(), before.st_uid, before.st_gid)
                    os.fchmod(partial.fileno(), before.st_mode & 0o660)
                partial.flush()
                os.fsync(partial.fileno())
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise errors.PathUnusable(
            f"{file} cannot be replaced: {error.strerror}",
            remedy=f"run it as the owner of {file.parent}, or as root",
        ) from None


def _audit(ctx: Context, file: Path, reason: str, *, forced: bool) -> None:
    """Write the act down; the token is in place whether the database can be reached or not."""
    from noggin_mp.store import audit

    try:
        with database.opened(ctx, "token", start=False) as connection:
            audit.write(connection, audit.Entry(
                who=database.who(ctx), action="token set", target=str(file), reason=reason,
                affected=1, details={"forced": True} if forced else {}))  # fmt: skip
    except (errors.DatabaseUnreachable, errors.SchemaError) as error:
        ctx.note(f"not in the audit log: {error.message}")
