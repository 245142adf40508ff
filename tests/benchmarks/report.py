"""What a suite of benchmarks found: promises with their figures, as JSON, a table and a page."""

import dataclasses
import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a suite is to run: `quick` is the short form, `out` the folder for JSON and plots."""

    quick: bool
    out: Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise and what was measured; `holds` is None for a figure beyond the promise."""

    row: str
    what: str
    bound: str
    figure: str
    holds: bool | None
    note: str = ""

    @property
    def verdict(self) -> str:
        """The word for the table."""
        return {True: "holds", False: "DOES NOT HOLD", None: "beyond the promise"}[self.holds]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table beside the promises, such as the peers."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that one suite found; `details` goes to the JSON only."""

    suite: str
    title: str
    promises: Sequence[Promise]
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    pictures: Sequence[tuple[str, str]] = ()  # file name, what it shows
    environment: dict[str, Any] = dataclasses.field(default_factory=dict)
    details: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """True when nothing that was measured fails its bound."""
        return all(one.holds is not False for one in self.promises)


HEAD = ("", "promise", "bound", "measured", "verdict")


def environment(dsn: str) -> dict[str, Any]:
    """Facts that figures depend on, the server's included."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {**machine(), "postgres": row[0] if row else "unknown"}


def machine() -> dict[str, Any]:
    """Facts that figures depend on, and nothing that names this machine."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        "kernel": platform.release().split("-")[0],
    }


def write(report: Report, out: Path) -> None:
    """Write `<suite>.json` and the page `<suite>.md`."""
    out.mkdir(parents=True, exist_ok=True)
    body = {"schema_version": 1, **dataclasses.asdict(report)}
    text = json.dumps(body, indent=1, sort_keys=False, default=str) + "\n"
    (out / f"{report.suite}.json").write_text(text, encoding="utf-8")
    (out / f"{report.suite}.md").write_text(page(report), encoding="utf-8")


def page(report: Report) -> str:
    """The report as Markdown."""
    parts = [
        f"# Benchmarks: {report.title}",
        "",
        "Made by `make bench`; figures vary with the load.",
    ]
    parts += ["", *(f"- {note}" for note in report.notes), ""]
    rows = [(p.row, p.what, p.bound, p.figure, p.verdict) for p in report.promises]
    parts += ["## Promises", "", *_markdown(HEAD, rows), ""]
    parts += [f"- **{p.row}** {p.what}: {p.note}" for p in report.promises if p.note]
    for table in report.tables:
        parts += ["", f"## {table.title}", "", *_markdown(table.head, table.rows)]
    for name, what in report.pictures:
        parts += ["", f"## {what}", "", f"![{what}]({name})"]
    parts += ["", "## Where it was measured", ""]
    parts += [f"- {key.replace('_', ' ')}: {value}" for key, value in report.environment.items()]
    return "\n".join(parts) + "\n"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def plain(report: Report) -> str:
    """The report for a terminal."""
    rows = [(p.row, p.what, p.bound, p.figure, p.verdict) for p in report.promises]
    parts = [report.title, *_columns(HEAD, rows)]
    for table in report.tables:
        parts += ["", table.title, *_columns(table.head, table.rows)]
    return "\n".join([*parts, *(f"note: {note}" for note in report.notes)])


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(head))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]
