"""`db backup`: one dump more by pg_dump, whole or not at all, and the oldest ones away."""

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import click

from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors

_ENDING: Final = ".dump"
_STAMP: Final = "%Y%m%d_%H%M%S"
_LEFT_OVER_S: Final = 86_400.0


@click.command(
    epilog="""\b
Examples:
  noggin-mp db backup --dir /var/lib/noggin-mp/backup --keep 14
  pg_restore --list /var/lib/noggin-mp/backup/noggin_db_20251023_021500.dump

\b
Files are called DATABASE_YYYYMMDD_HHMMSS.dump (UTC) and can be read by nobody else. Give them back
with pg_restore: see "Run against your database".
"""
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR",
              help="Where dumps go; made when it is missing.")  # fmt: skip
@click.option("--keep", type=click.IntRange(min=1), metavar="N",
              help="Afterwards, remove all but the N newest dumps of this database.")  # fmt: skip
@pass_context
def backup(ctx: Context, folder: Path, keep: int | None) -> None:
    """Dump the database into a new file, by pg_dump."""
    from noggin_mp.store import session

    parts = session.parse(ctx.dsn())
    program = _program("pg_dump", embedded=not ctx.settings.database.dsn)
    name = str(parts.get("dbname") or parts.get("user") or "noggin").replace("/", "_")
    file = folder / f"{name}_{time.strftime(_STAMP, time.gmtime())}{_ENDING}"
    part = folder / f".{file.name}.part"
    started = time.monotonic()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part.touch(mode=0o600, exist_ok=False)
        _dump(program, parts, part)
        _publish(part, file)
    except OSError as error:
        raise errors.PathUnusable(
            f"cannot write to {folder}: {error.strerror}", remedy="choose another --dir"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    removed = _clear(folder, name, keep)
    size = file.stat().st_size
    ctx.emit(
        {
            "file": str(file),
            "size_bytes": size,
            "seconds": round(time.monotonic() - started, 3),
            "removed": [str(one) for one in removed],
        },
        f"{file}\n{size / 1e6:,.1f} MB" + (f", {len(removed)} older removed" if removed else ""),
    )


def _program(name: str, *, embedded: bool) -> str:
    """The wheel's program for the wheel's server; else the one people installed."""
    from noggin_mp.store import binaries

    if embedded:
        ours = binaries.find().path(name)
        if ours.is_file():
            return str(ours)
    found = shutil.which(name)
    if found is None:
        raise errors.ConfigError(
            f"there is no {name} on this machine",
            remedy="install postgresql-client of the server's version",
        )
    return found


def _dump(program: str, parts: dict[str, Any], part: Path) -> None:
    """Run pg_dump. Its password goes by the environment: anybody may list arguments."""
    from noggin_mp.store import session

    environment = dict(os.environ)
    rest = dict(parts)
    if password := rest.pop("password", None):
        environment["PGPASSWORD"] = str(password)
    rest.pop("sslpassword", None)
    words = [
        program, "--format=custom", "--no-password", "--lock-wait-timeout=60s",
        f"--file={part}", "--dbname", session.text(rest),
    ]  # fmt: skip
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _, said = process.communicate()
        except BaseException:  # Ctrl-C, TERM: no pg_dump goes on behind our back
            process.terminate()
            raise
    if process.returncode == 0:
        return
    lines = [one for one in said.decode("utf-8", "replace").splitlines() if "error:" in one]
    told = lines[0].partition("error:")[2].strip() if lines else f"it ended {process.returncode}"
    if password:
        told = told.replace(str(password), "***")
    raise _failure(told, parts)


def _failure(told: str, parts: dict[str, Any]) -> errors.NogginError:
    from noggin_mp.store import session

    where = session.place(session.text(parts))
    if "No space left" in told:
        return errors.DiskFull(f"pg_dump: {told}", remedy="make room, or lower --keep")
    if "version mismatch" in told:
        return errors.ConfigError(
            f"pg_dump is older than the server at {where}",
            remedy="install postgresql-client of the server's version",
        )
    if "connection to server" in told or "could not connect" in told:
        return errors.DatabaseUnreachable(
            f"pg_dump cannot reach {where}: {told}",
            remedy="check database.dsn and that the server is up",
        )
    return errors.DatabaseUnreachable(
        f"pg_dump of {where} failed: {told}", remedy="run it by hand to see more"
    )


def _publish(part: Path, file: Path) -> None:
    """Give a whole dump its name: contents and name are on disk afterwards."""
    _fsync(part)
    part.rename(file)
    _fsync(file.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _clear(folder: Path, name: str, keep: int | None) -> list[Path]:
    """The older dumps that were removed; what a killed backup left goes as well."""
    for left in folder.glob(f".{name}_*{_ENDING}.part"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_OVER_S:
                left.unlink()
    digits = "[0-9]"
    pattern = f"{name}_{digits * 8}_{digits * 6}{_ENDING}"
    dumps = sorted(folder.glob(pattern), reverse=True)
    old = dumps[keep:] if keep is not None else []
    for one in old:
        one.unlink(missing_ok=True)
    return old
