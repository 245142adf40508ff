"""`hashes`: names in, counts out."""

from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.tips import tip


@pytest.mark.parametrize(
    "words", [["hashes", "import", "vehicles"], ["import", "--lookups", "vehicle"]]
)
def test_names_are_imported_by_either_verb(tmp_path: Path, migrated: str, words: list[str]) -> None:
    noggin = Command(tmp_path, migrated)
    path = tmp_path / "names.csv"
    path.write_text(f"hash,name\n{tip(1)},Truck\n{tip(2)},\n")

    done = noggin(*words, str(path))

    assert done.code == 1
    assert "1 vehicle names added" in done.out
    assert "row 3: the name is blank" in done.out
    (kind,) = noggin("hashes", "stats", "--json").json["kinds"]
    assert (kind["entity_type"], kind["known"]) == ("vehicle", 1)
    assert "vehicle" in noggin("hashes", "stats").out
