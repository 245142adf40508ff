"""The SQL of the program by name: one file of `sql/queries` each, described at its head."""

import functools
from typing import NamedTuple

from noggin_mp import resources


class _Parsed(NamedTuple):
    description: str
    text: str


def statement(name: str) -> str:
    """The SQL in `sql/queries/<name>.sql`, without its leading comment; read once per process.

    Raises: FileNotFoundError when there is no such statement, which is a fault of the program.
    """
    return _parse(name).text


def describe() -> dict[str, str]:
    """What each statement is for, by name: the first comment of its file."""
    files = sorted((resources.folder("sql") / "queries").glob("*.sql"))
    return {file.stem: _parse(file.stem).description for file in files}


@functools.cache
def _parse(name: str) -> _Parsed:
    """Head comment and rest. The head goes: psycopg would read a % in it as a parameter."""
    lines = (resources.folder("sql") / "queries" / f"{name}.sql").read_text("utf-8").splitlines()
    head = 0
    while head < len(lines) and (lines[head].startswith("--") or not lines[head].strip()):
        head += 1
    comments = (line.removeprefix("--").strip() for line in lines[:head])
    return _Parsed(
        description=" ".join(comment for comment in comments if comment),
        text="\n".join(lines[head:]).strip(),
    )
