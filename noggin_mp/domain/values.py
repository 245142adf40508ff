"""Values as the API gives them, made fit for columns. Nothing guesses: what does not fit raises."""

import json
import re
from datetime import UTC, date, datetime, tzinfo
from html.parser import HTMLParser

INT4_MIN, INT4_MAX = -(2**31), 2**31 - 1
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Dates outside are typing errors or an empty date's default (0001-01-01)."""

_HASH = re.compile(r"[0-9a-fA-F]{64}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,12}(?:\.0*)?", re.ASCII)
_BOOLEANS = {
    "true": True, "yes": True, "y": True, "1": True,
    "false": False, "no": False, "n": False, "0": False,
}  # fmt: skip


class Unfit(ValueError):
    """A value that a column cannot hold; the message says why, for people."""


def shown(value: object, *, limit: int = 80) -> str:
    """`value` for a message: quoted, and cut to `limit` characters."""
    text = repr(value if isinstance(value, str | int | float | bool) else type(value).__name__)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def text(value: object) -> str | None:
    """`value` as text, whole; blank text is None. Booleans read Yes or No, the rest as JSON."""
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if value is None:
        return None
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return json.dumps(value, ensure_ascii=False)


def boolean(value: object) -> bool | None:
    """`value` as a boolean; blank text is None. Raises: Unfit."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        word = str(value).strip().lower()
        if not word:
            return None
        if word in _BOOLEANS:
            return _BOOLEANS[word]
    raise Unfit(f"{shown(value)} is neither yes nor no")


def integer(value: object) -> int | None:
    """`value` as an integer that fits int4; text such as "12" counts, blank text is None.

    Raises: Unfit.
    """
    if isinstance(value, str):
        word = value.strip()
        if not word:
            return None
        if not _WHOLE.fullmatch(word):
            raise Unfit(f"{shown(value)} is not a whole number")
        number = int(word.partition(".")[0])
    elif isinstance(value, int | float) and not isinstance(value, bool) and value == int(value):
        number = int(value)
    else:
        raise Unfit(f"{shown(value)} is not a whole number")
    if not INT4_MIN <= number <= INT4_MAX:
        raise Unfit(f"{shown(value)} is beyond the range of the column")
    return number


def local_day(value: object, *, zone: tzinfo) -> date | None:
    """The day in `zone` that `value` means; blank text is None.

    The API writes local midnight with an offset, which read as UTC is the day before. A value
    without an offset is taken as local already. Raises: Unfit.
    """
    if not isinstance(value, str):
        raise Unfit(f"{shown(value)} is not a date")
    word = value.strip()
    if not word:
        return None
    try:
        if _DAY.fullmatch(word):
            day = date.fromisoformat(word)
        else:
            moment = datetime.fromisoformat(word)
            day = (moment if moment.tzinfo is None else moment.astimezone(zone)).date()
    except (ValueError, OverflowError) as error:
        raise Unfit(f"{shown(value)} is not a date") from error
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise Unfit(f"{shown(value)} is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return day


def moment(value: object) -> datetime | None:
    """`value` as an aware UTC time, taken as UTC without an offset; blank text is None.

    Raises: Unfit.
    """
    if not isinstance(value, str):
        raise Unfit(f"{shown(value)} is not a time")
    word = value.strip()
    if not word:
        return None
    try:
        time = datetime.fromisoformat(word)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unfit(f"{shown(value)} is not a time") from error
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise Unfit(f"{shown(value)} is outside the years {FIRST_YEAR} to {LAST_YEAR}")
    return time


def hash_of(value: object) -> str | None:
    """The hash that `value` is (64 hex, in lower case), or None when it is anything else."""
    if isinstance(value, str) and len(value) == 64 and _HASH.fullmatch(value):
        return value.lower()
    return None


class _Stripper(HTMLParser):
    """Collects the text of HTML; block ends become line ends."""

    _BLOCKS = frozenset({"p", "div", "br", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in self._BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._BLOCKS:
            self.parts.append("\n")


def plain(html: str) -> str:
    """The text of `html` without tags: one line per block, no blank lines."""
    if "<" not in html and "&" not in html:
        return html
    stripper = _Stripper()
    try:
        stripper.feed(html)
        stripper.close()
    except AssertionError:  # the standard parser's answer to a broken declaration such as <![x
        return html
    lines = (" ".join(line.split()) for line in "".join(stripper.parts).splitlines())
    return "\n".join(line for line in lines if line)
