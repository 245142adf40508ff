"""CSV text as numbered records: quoted line ends, blank rows and stray quotes included."""

import csv
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from noggin_mp.domain import errors, rows

DELIMITERS: Final = ",;\t"
RAW_MAX_CHARS: Final = 2000
_UNCLOSED: Final = "unexpected end of data"
_TOO_LONG: Final = "field larger than field limit"


class Record(NamedTuple):
    """One record: the line it starts on, its cells, and why it could not be parsed, if so."""

    line: int
    cells: list[str]
    fault: str


class Records:
    """The records of a CSV text that are not blank, one at a time.

    Iterating raises InputError when a quote is never closed: all the rest would be one cell.
    """

    def __init__(self, lines: Iterable[str], *, label: str) -> None:
        self.label = label
        self._recent: list[str] = []
        self._offset = 0
        source = iter(lines)
        first = next(source, "")
        named = first.strip().casefold()
        if named.startswith("sep=") and len(named) <= 5:  # Excel's own way to name the delimiter
            self.delimiter = first.strip()[4:] or "\t"
            self._offset, pushed = 1, []
        else:
            self.delimiter, pushed = sniff(first), [first] if first else []
        self._reader = csv.reader(
            self._tapped(pushed, source), delimiter=self.delimiter, strict=True
        )

    def __iter__(self) -> Iterator[Record]:
        return self

    def __next__(self) -> Record:
        """The next record that is not blank."""
        while True:
            record = self.take()
            if record is None:
                raise StopIteration
            if record.fault or (any(record.cells) and any(map(str.strip, record.cells))):
                return record

    def take(self) -> Record | None:
        """The next record, blank or not; None at the end. Raises: InputError."""
        self._recent.clear()
        line = self._reader.line_num + 1 + self._offset
        try:
            return Record(line, next(self._reader), "")
        except StopIteration:
            return None
        except csv.Error as error:
            reason = str(error)
        if reason.startswith(_TOO_LONG) or reason == _UNCLOSED:
            raise errors.InputError(
                f"{self.label}: the record that starts on line {line} has a quote that is never"
                " closed; nothing was imported",
                remedy="close or double the quote on that line",
            )
        return Record(line, [], f"not CSV: {reason}")

    @property
    def raw(self) -> str:
        """The text of the record given last, as in the file, cut where it is very long."""
        return "".join(self._recent).rstrip("\r\n")[:RAW_MAX_CHARS].replace("\x00", "\\x00")

    def _tapped(self, pushed: list[str], source: Iterator[str]) -> Iterator[str]:
        for lines in (pushed, source):
            for line in lines:
                self._recent.append(line)
                yield line


def sniff(line: str) -> str:
    """The delimiter of a header line: the one that parts it most; a comma when nothing does."""
    bare = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=bare.count)


def header(found: Records) -> tuple[list[str], Record | None]:
    """The cells of the header row, and the first record below it.

    A blank first line is the header of a file of bare TIPs, whose column has no name; above
    anything else it is just blank.

    Raises: InputError when there is nothing but blank lines, or the header cannot be parsed.
    """
    top = found.take()
    if top is not None and not top.fault and not any(map(str.strip, top.cells)):
        below = next(found, None)
        if below is not None and below.cells and rows.looks_like_tip(below.cells[0]):
            return [""], below
        top = below
    if top is None:
        raise errors.InputError(
            f"{found.label} is empty: not even a header line", remedy="check the export"
        )
    if top.fault:
        raise errors.InputError(
            f"{found.label}: the header on line {top.line} is {top.fault}", remedy="correct it"
        )
    return top.cells, next(found, None)
