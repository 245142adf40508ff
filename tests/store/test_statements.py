"""Statements are found by name, and each says what it is for."""

from pathlib import Path

import pytest

from noggin_mp import resources
from noggin_mp.store import statements


def test_statement_drops_head_comment_when_it_would_read_as_parameter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "sample_rows.sql").write_text(
        "-- Takes 5 % of the rows\n-- of a table.\n\nSELECT 1 -- kept\n-- kept too\nWHERE %(yes)s\n"
    )
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path)
    expected = "SELECT 1 -- kept\n-- kept too\nWHERE %(yes)s"
    assert statements.statement("sample_rows") == expected
    assert statements.describe() == {"sample_rows": "Takes 5 % of the rows of a table."}


def test_describe_says_what_every_shipped_statement_is_for() -> None:
    described = statements.describe()
    assert described
    assert [name for name, purpose in described.items() if not purpose] == []
