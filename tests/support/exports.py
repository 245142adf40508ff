"""CSV exports as the tests of import load them, and what is in the queue afterwards."""

import zoneinfo
from collections.abc import Callable
from pathlib import Path

from noggin_mp.ingest import text_file, tips_csv
from noggin_mp.settings import object_types
from noggin_mp.store import session
from tests.support.tips import tip

CATALOGUE = object_types.load()
PERTH = zoneinfo.ZoneInfo("Australia/Perth")
HEAD = "nogginId,lcdInspectionId,couplingId,date,team"


def order(
    asked: str = "", *, dry_run: bool = False, progress: Callable[[int], None] = lambda _: None
) -> tips_csv.Order:
    """How a file is to be taken: of which type, if the file does not say; for good, or tried."""
    return tips_csv.Order(
        catalogue=CATALOGUE,
        zone=PERTH,
        asked=CATALOGUE.find(asked) if asked else None,
        loaded_by="somebody@somewhere",
        dry_run=dry_run,
        progress=progress,
    )


def load(
    conn: session.Connection,
    path: Path,
    asked: str = "",
    *,
    encoding: str | None = None,
    dry_run: bool = False,
) -> tips_csv.Report:
    """The file at `path`, taken into the database."""
    with text_file.opened(str(path), encoding=encoding) as file:
        return tips_csv.load(conn, file, order(asked, dry_run=dry_run))


def counts(report: tips_csv.Report) -> tuple[int, int, int, int, int]:
    """Rows read, imported, known before, twice in the file, rejected."""
    return (report.read, report.imported, report.known, report.duplicates, report.rejected)


def stored(conn: session.Connection) -> list[tuple[object, ...]]:
    """What the queue would hand out, in its order."""
    return conn.execute(
        "SELECT d.tip, d.object_code FROM ready r JOIN noggin_data d USING (tip, gen)"
        " ORDER BY r.prio, r.seq"
    ).fetchall()


A, B, C = tip(1), tip(2), tip(3)
