"""`export`: records, attachments and errors as CSV or JSON lines, for spreadsheets and programs."""

import contextlib
import difflib
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from noggin_mp.cli import database, kinds, outfile, since
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors
from noggin_mp.store import export as store
from noggin_mp.store import session

_EXAMPLES: Final = """\b
Examples:
  noggin-mp export records --type SO --since 7d --out so.csv
  noggin-mp export records --columns tip,noggin_reference,inspection_date
  noggin-mp export errors --since 24h --format jsonl
"""


@click.command(epilog=_EXAMPLES)
@click.argument("what", type=click.Choice(tuple(store.TABLES)))
@click.option("--since", "after", callback=since.parse, metavar=since.METAVAR,
              help="Changed or written since: 15m, 24h, 7d or 2025-10-23.")  # fmt: skip
@click.option("--type", "type_name", metavar="TYPE", help="The object type, such as LCD.")
@click.option("--status", metavar="STATUS",
              help="The status of record or attachment; of errors their kind.")  # fmt: skip
@click.option("--columns", metavar="A,B,...",
              help="Which columns, in this order; all but the payload if not given.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(("csv", "jsonl")),
              help="csv or jsonl; csv if not given, or by the name of --out.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write it to FILE, whole or not at all, instead of stdout.")  # fmt: skip
@pass_context
def export(
    ctx: Context,
    what: str,
    after: datetime | None,
    type_name: str | None,
    status: str | None,
    columns: str | None,
    form: str | None,
    out: Path | None,
) -> None:
    """Records, attachments or errors as CSV or JSON lines; memory does not grow with their number.

    With --json and without --out the rows come as one JSON object.
    """
    types = None if type_name is None else kinds.names(kinds.catalogue(ctx), type_name)
    with database.opened(ctx, "export") as connection:
        wanted = store.Wanted(
            what=what,
            columns=_columns(columns, what, store.columns(connection, what)),
            since=after,
            types=types,
            status=status,
        )
        if ctx.json and out is None:
            lines = store.as_lines(connection, wanted)
            ctx.emit({"what": what, "rows": [json.loads(line) for line in lines]}, "")
            return
        rows = _write(connection, wanted, _form(form, out), out)
    if out is not None:
        ctx.emit({"what": what, "number": rows, "out": str(out)}, f"{rows:,} {what} in {out}")


def _columns(given: str | None, what: str, there: list[str]) -> list[str]:
    if given is None:
        return [name for name in there if name not in store.LEFT_OUT.get(what, ())]
    names = list(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        wrong = unknown[0] if unknown else given
        near = difflib.get_close_matches(wrong, there, n=1)
        raise errors.UsageError(
            f"{what} have no column {wrong!r}",
            remedy=f"did you mean {near[0]}?" if near else f"there are {', '.join(there)}",
        )
    return names


def _form(form: str | None, out: Path | None) -> str:
    if form is not None:
        return form
    return "jsonl" if out is not None and out.suffix in (".jsonl", ".json", ".ndjson") else "csv"


def _write(
    connection: session.Connection, wanted: store.Wanted, form: str, out: Path | None
) -> int:
    """How many rows were written, to the file or to stdout."""
    with contextlib.ExitStack() as stack:
        if out is None:
            write: Callable[[bytes], Any] = lambda data: click.echo(data.decode(), nl=False)  # noqa: E731
        else:
            write = stack.enter_context(outfile.opened(out)).write
        if form == "csv":
            return _counted(store.as_csv(connection, wanted), write) - 1
        return _counted(store.as_lines(connection, wanted), write)


def _counted(blocks: Iterable[bytes], write: Callable[[bytes], Any]) -> int:
    """How many blocks there were: Postgres sends each row of a COPY as one."""
    number = 0
    for number, block in enumerate(blocks, start=1):  # noqa: B007 - the last number counts
        write(block)
    return number
