"""The CSV exports that match a world: as Noggin writes them, with the quirks people really meet.

A folder gets one file per type: one begins with a BOM, one has CRLF line ends, some end with
blank rows; the first column's header and the way dates are written vary; a few TIPs come twice;
texts contain quoted newlines. A path ending in .csv gets all types in one file, with one id column
for each type. The lookups (`hash,name`) of most entities are written beside them.
"""

import csv
import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from noggin_mp.domain import errors
from noggin_mp.simulator import data, shapes

_PREVIEW = (
    "inspectedBy",
    "personCompleting",
    "personsCompleting",
    "vehicle",
    "vehicleId",
    "rego",
    "trailer",
    "trailerId",
    "trailer2",
    "trailer3",
    "jobNumber",
    "runNumber",
    "driverLoaderName",
    "department",
    "whichDepartmentDoesTheLoadBelongTo",
    "team",
    "goldstarAsset",
    "siteManager",
    "preStartStatus",
    "comments",
    "commentsActions",
    "summary1",
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_REPEAT_EVERY = 50  # one TIP in so many comes a second time, at least one in each file


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one file is written."""

    first_header: str = "nogginId"
    bom: bool = False
    line_end: str = "\n"
    blank_rows: int = 0


_STYLES = {
    "LCD": Style(blank_rows=2),
    "LCS": Style(first_header="TIP", bom=True),
    "CCC": Style(line_end="\r\n"),
    "FPI": Style(first_header="tip", blank_rows=3),
    "SO": Style(first_header=""),
    "TA": Style(),
}
_MIXED = Style(bom=True, blank_rows=2)
_DATES: dict[str, Callable[[datetime.date], str]] = {
    "LCD": datetime.date.isoformat,
    "LCS": lambda day: f"{day.day:02d}-{_MONTHS[day.month - 1]}-{day.year % 100:02d}",
    "CCC": lambda day: f"{day.day:02d}/{day.month:02d}/{day.year}",
    "FPI": lambda day: f"{day.day:02d} {_MONTHS[day.month - 1]} {day.year}",
    "SO": lambda day: f"{day.isoformat()}T00:00:00.000+08:00",
    "TA": datetime.date.isoformat,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    """One CSV file: `type` is the abbreviation, empty for a file of all types.

    `rows` counts data rows without blank ones; `repeats` of them name a TIP a second time.
    """

    path: Path
    type: str
    rows: int
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Everything that was written; `lookups` holds one file for each kind of entity."""

    files: tuple[ExportFile, ...]
    lookups: dict[str, Path]


def write(world: data.World, path: Path) -> Exported:
    """Write the exports of `world`: one mixed file when `path` ends in .csv, else a folder.

    Raises: PathUnusable.
    """
    try:
        if path.suffix.lower() == ".csv":
            path.parent.mkdir(parents=True, exist_ok=True)
            files = (_write_mixed(world, path),)
            return Exported(
                files=files, lookups=_write_lookups(world, path.with_name(f"{path.stem}-lookups"))
            )
        path.mkdir(parents=True, exist_ok=True)
        each = tuple(_write_type(world, shape, path) for shape in world.types)
        return Exported(files=each, lookups=_write_lookups(world, path / "lookups"))
    except OSError as error:
        raise errors.PathUnusable(
            f"cannot write the export {path}: {error.strerror}",
            remedy="name a file or folder that you may write to with --export",
        ) from error


def _write_type(world: data.World, shape: shapes.Shape, folder: Path) -> ExportFile:
    style = _STYLES[shape.code]
    names = {field.name for field in shape.fields}
    columns = [shape.id_field, "date", *(name for name in _PREVIEW if name in names)]
    places = (place for place in _places(world) if place.shape is shape)
    return _write_file(
        world, folder / f"{shape.code}_{shape.endpoint}.csv", style, columns, places, shape.code
    )


def _write_mixed(world: data.World, path: Path) -> ExportFile:
    id_fields = [shape.id_field for shape in world.types]
    names = {field.name for shape in world.types for field in shape.fields}
    columns = [*id_fields, "date", *(name for name in _PREVIEW if name in names)]
    return _write_file(world, path, _MIXED, columns, _places(world), "")


def _places(world: data.World) -> Iterator[data.Place]:
    return (world.place(number) for number in range(world.tips))


def _write_file(
    world: data.World,
    path: Path,
    style: Style,
    columns: list[str],
    places: Iterable[data.Place],
    code: str,
) -> ExportFile:
    again: list[data.Place] = []
    rows = 0
    named = names(world)
    with path.open("w", encoding="utf-8-sig" if style.bom else "utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=style.line_end)
        writer.writerow([style.first_header, *columns])
        for place in places:
            writer.writerow(_row(world, place, columns, named))
            if rows % _REPEAT_EVERY == 0:
                again.append(place)
            rows += 1
        for place in again:
            writer.writerow(_row(world, place, columns, named))
        for _ in range(style.blank_rows):
            writer.writerow([""] * (len(columns) + 1))
        if style.blank_rows:
            file.write(style.line_end)
    return ExportFile(path=path, type=code, rows=rows + len(again), repeats=len(again))


def _row(
    world: data.World, place: data.Place, columns: list[str], named: dict[str, str]
) -> list[str]:
    """One record's row: hashes appear under their names where the export knows them."""
    payload = world.payload(place)
    cells = {name: payload.get(name, "") for name in columns}
    cells["date"] = _DATES[place.shape.code](world.day(place))
    return [world.tip(place.number), *(named.get(text, text) for text in map(str, cells.values()))]


def names(world: data.World) -> dict[str, str]:
    """The names of the entities that exports know, by hash."""
    return {entity.hash: entity.name for entity in world.entities.lookups()}


def _write_lookups(world: data.World, folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for kind, members in itertools.groupby(world.entities.lookups(), lambda entity: entity.kind):
        path = folder / f"{kind}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["hash", "name"])
            writer.writerows([entity.hash, entity.name] for entity in members)
        written[kind] = path
    return written
