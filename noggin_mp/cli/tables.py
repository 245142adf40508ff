"""Rows as an aligned table for people; plain text, coloured only by the caller."""

from collections.abc import Mapping, Sequence
from datetime import datetime


def table(
    rows: Sequence[Mapping[str, object]], columns: Mapping[str, str], *, empty: str = "none"
) -> str:
    """`rows` under the headings of `columns` (key -> heading); numbers stand to the right."""
    if not rows:
        return empty
    body = [[cell(row.get(key)) for key in columns] for row in rows]
    heads = list(columns.values())
    widths = [max(len(line[i]) for line in [heads, *body]) for i in range(len(heads))]
    right = [
        all(isinstance(row.get(key), int | float) or row.get(key) is None for row in rows)
        for key in columns
    ]
    lines = []
    for line in [heads, *body]:
        parts = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def cell(value: object, *, limit: int = 70) -> str:
    """One value on one line: times to the second, None as a dash, long text cut."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.1f}"
    text = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."
