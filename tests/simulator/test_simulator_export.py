"""CSV exports: every TIP, the quirks that people meet, and lookups that name most hashes."""

import csv
import io
from collections import Counter
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.simulator import data, export, shapes

TIPS = 130


@pytest.fixture(scope="module")
def world() -> data.World:
    return data.World(seed=21, tips=TIPS)


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def filled(rows: list[list[str]]) -> list[list[str]]:
    return [row for row in rows[1:] if any(row)]


def test_folder_export_lists_every_tip_of_every_type(world: data.World, tmp_path: Path) -> None:
    written = export.write(world, tmp_path / "out")
    assert [file.type for file in written.files] == list(shapes.load())
    tips: Counter[str] = Counter()
    for file in written.files:
        rows = rows_of(file.path)
        found = filled(rows)
        assert len(found) == file.rows
        tips.update(row[0] for row in found)
        assert file.repeats == file.rows - len({row[0] for row in found}) >= 1
        assert rows[0][1] == shapes.load()[file.type].id_field
    assert set(tips) == {world.tip(number) for number in range(TIPS)}


def test_folder_export_has_the_quirks(world: data.World, tmp_path: Path) -> None:
    files = {file.type: file.path for file in export.write(world, tmp_path).files}
    raw = {code: path.read_bytes() for code, path in files.items()}
    assert [code for code in raw if raw[code].startswith(b"\xef\xbb\xbf")] == ["LCS"]
    assert [code for code in raw if b"\r\n" in raw[code]] == ["CCC"]
    assert {rows_of(path)[0][0] for path in files.values()} == {"nogginId", "TIP", "tip", ""}
    assert rows_of(files["FPI"])[-1] == []
    assert not any(rows_of(files["FPI"])[-2])
    assert any("\n" in cell for row in rows_of(files["SO"]) for cell in row)
    dates = {code: filled(rows_of(path))[0][2] for code, path in files.items()}
    assert len({_shape_of(date) for date in dates.values()}) == 5


def _shape_of(text: str) -> str:
    return "".join("9" if char.isdigit() else "a" if char.isalpha() else char for char in text)


def test_rows_agree_with_the_records(world: data.World, tmp_path: Path) -> None:
    written = export.write(world, tmp_path)
    names = export.names(world)
    for file in written.files:
        rows = rows_of(file.path)
        for row in filled(rows):
            place = world.find(row[0])
            assert place is not None
            payload = world.payload(place)
            for name, cell in zip(rows[0][1:], row[1:], strict=True):
                if name != "date":
                    value = str(payload.get(name, ""))
                    assert cell.replace("\r\n", "\n") == names.get(value, value)


def test_mixed_export_fills_one_id_column_per_row(world: data.World, tmp_path: Path) -> None:
    path = tmp_path / "new" / "all.csv"
    written = export.write(world, path)
    assert [(file.path, file.type) for file in written.files] == [(path, "")]
    rows = rows_of(path)
    columns = {shape.id_field: rows[0].index(shape.id_field) for shape in world.types}
    assert rows[0][0] == "nogginId"
    found = filled(rows)
    for row in found:
        place = world.find(row[0])
        assert place is not None
        given = {name: row[at] for name, at in columns.items() if row[at]}
        assert given == {place.shape.id_field: world.reference(place)}
    assert {row[0] for row in found} == {world.tip(number) for number in range(TIPS)}
    assert len(found) > TIPS
    assert written.lookups["team"] == tmp_path / "new" / "all-lookups" / "team.csv"


def test_lookups_name_most_hashes_but_not_all(world: data.World, tmp_path: Path) -> None:
    written = export.write(world, tmp_path)
    assert set(written.lookups) == {
        "vehicle", "trailer", "team", "department", "customer", "person", "asset", "asset_type",
    }  # fmt: skip
    for kind in ("vehicle", "team", "person"):
        rows = rows_of(written.lookups[kind])
        assert rows[0] == ["hash", "name"]
        named = dict(rows[1:])
        pool = {entity.hash: entity.name for entity in world.entities.of(kind)}
        assert named.items() < pool.items()


def test_export_is_the_same_when_written_again(world: data.World, tmp_path: Path) -> None:
    one, two = (export.write(world, tmp_path / name / "x.csv") for name in ("a", "b"))
    assert one.files[0].path.read_bytes() == two.files[0].path.read_bytes()


def test_export_says_where_it_cannot_write(world: data.World, tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(errors.PathUnusable, match="cannot write the export"):
        export.write(world, blocker / "out")
