"""Pages of the documentation as tests read them: fenced blocks, links, anchors, inline code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: its language, the words behind that, and its text without indentation."""

    page: Path
    line: int
    language: str
    marks: tuple[str, ...]
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines that begin with a prompt, without it."""
        lines = self.text.splitlines()
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Every page: README, CHANGELOG and docs/."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def name(page: Path) -> str:
    """A page by its path below the project, for the names of tests."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[Block]:
    """The fenced blocks of one language, in their order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        indent, info, body = found.groups()
        words = info.split()
        if words[:1] == [language]:
            yield Block(
                page=page,
                line=text.count("\n", 0, found.start()) + 1,
                language=language,
                marks=tuple(words[1:]),
                text="".join(line.removeprefix(indent) for line in body.splitlines(keepends=True)),
            )


def prose(page: Path) -> str:
    """The text outside fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """The targets of its links."""
    return _LINK.findall(prose(page))


def codes(page: Path) -> list[str]:
    """Its pieces of inline code."""
    return _CODE.findall(prose(page))


def commands(page: Path) -> list[str]:
    """The lines that somebody types in its `console` blocks."""
    return [line for block in blocks(page, "console") for line in block.commands]


def anchors(page: Path) -> set[str]:
    """What `#...` may follow its name, as the forges make it from headings."""
    made: set[str] = set()
    for heading in _HEADING.findall(prose(page)):
        kept = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        made.add(kept)
    return made


def section(page: Path, heading: str) -> str:
    """The text under a heading, up to the next heading of any depth; empty when there is none."""
    pattern = rf"^#+ +{re.escape(heading)}$(.*?)(?=^#+ |\Z)"
    found = re.search(pattern, page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
