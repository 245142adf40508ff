"""`hashes`: the names behind the hashes that records carry."""

import dataclasses

import click

from noggin_mp.cli import database, imports, tables
from noggin_mp.cli.context import Context, pass_context
from noggin_mp.store import lookups


@click.group(
    epilog="""\b
Examples:
  noggin-mp hashes stats
  noggin-mp hashes import vehicle vehicles.csv
"""
)
def hashes() -> None:
    """Names of vehicles, teams, people and the like, by hash."""


@hashes.command(epilog="\b\nExamples:\n  noggin-mp hashes stats --json\n")
@pass_context
def stats(ctx: Context) -> None:
    """Names known, and hashes seen in records that have none, by kind."""
    with database.opened(ctx, "hashes") as connection:
        found = [dataclasses.asdict(one) for one in lookups.stats(connection)]
    columns = {
        "entity_type": "kind", "known": "names", "unknown": "unknown hashes",
        "occurrences": "seen", "resolved": "resolved",
    }  # fmt: skip
    ctx.emit(
        {"kinds": found}, lambda: tables.table(found, columns, empty="no name and no hash yet")
    )


@hashes.command(
    name="import",
    epilog="\b\nExamples:\n  noggin-mp hashes import trailer trailers.csv --dry-run\n",
)
@click.argument("kind")
@click.argument("files", nargs=-1, required=True, metavar="FILE...|-")
@click.option("--encoding", metavar="NAME", help="Encoding of the files; UTF-8 if not given.")
@click.option("--dry-run", is_flag=True, help="Tell what would happen; change nothing.")
@pass_context
def import_(
    ctx: Context, kind: str, files: tuple[str, ...], encoding: str | None, dry_run: bool
) -> int:
    """Load names of one KIND (vehicle, trailer, team...) from CSV files of hash and name."""
    return imports.load_lookups(ctx, files, kind=kind, encoding=encoding, dry_run=dry_run)
