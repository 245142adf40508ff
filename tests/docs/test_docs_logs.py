"""The reference of logs names events that exist."""

import re
from pathlib import Path

from tests.support import markdown


def test_events_named_in_the_reference_are_logged_somewhere() -> None:
    page = (markdown.DOCS / "reference" / "logs.md").read_text(encoding="utf-8")
    table = page.partition("## Events to know")[2].partition("\n## ")[0]
    named = {
        event
        for row in re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
        for event in re.findall(r"`(\w+)`", row)
    }
    package = Path(markdown.ROOT) / "noggin_mp"
    code = "\n".join(file.read_text(encoding="utf-8") for file in package.rglob("*.py"))
    assert len(named) > 20
    assert sorted(event for event in named if f'"{event}"' not in code) == []
