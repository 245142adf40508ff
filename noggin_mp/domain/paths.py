"""Where a record's files lie below the output root: folder, text file, and a stem per attachment.

A layout is a function from values to a path: the pattern of one photo, without its extension.
Names come from ids and dates, never from remote file names. Values are made safe before they
enter a layout and every component again after it, so no layout leads out of the root.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from noggin_mp.domain import errors, names
from noggin_mp.domain.attachments import DEFAULT_STUB
from noggin_mp.domain.record import ParsedRecord
from noggin_mp.domain.tip import Tip

Layout = Callable[[Mapping[str, str]], str]

ID_LIMIT_BYTES = 120
"""An id this long still leaves room for date, stub and number in a file's name."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHORT_TIP_CHARS = 20

VALUES = (
    "code",
    "id",
    "tip",
    "date",
    "year",
    "month",
    "day",
    "yyyymmdd",
    "long_date",
    "stub",
    "number",
)
"""What a layout may use; `stub` and `number` belong to one photo, the others to the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A record's place: `folder` is relative to the output root, with `/` between components."""

    folder: str
    text_name: str
    stems: Mapping[Tip, str]  # attachment TIP -> file name without extension


def by_date(values: Mapping[str, str]) -> str:
    """`YYYY/MM/YYYY-MM-DD <id>/<id>_YYYYMMDD_photo_001`, the default."""
    return (
        f"{values['year']}/{values['month']}/{values['date']} {values['id']}/"
        f"{values['id']}_{values['yyyymmdd']}_photo_{values['number']}"
    )


def by_type(values: Mapping[str, str]) -> str:
    """`<TYPE>/YYYY/MM/YYYY-MM-DD <id>/<TYPE> <id> (DD Mon YYYY) <stub>-001`."""
    return (
        f"{values['code']}/{values['year']}/{values['month']}/{values['date']} {values['id']}/"
        f"{values['code']} {values['id']} ({values['long_date']}) "
        f"{values['stub']}-{values['number']}"
    )


LAYOUTS: Mapping[str, Layout] = {"date": by_date, "type": by_type}
"""The layouts that settings may call by name."""


def plan(parsed: ParsedRecord, *, layout: Layout = by_date) -> Plan:
    """Folder and file names of a record.

    The folder is the layout's for the first photo, whatever it makes of the others. Stems that a
    layout gives twice are told apart by their number. Raises: ConfigError when the layout gives
    no folder.
    """
    values = _values(parsed)
    folder = _folder(layout({**values, "stub": DEFAULT_STUB, "number": "001"}))
    stems: dict[Tip, str] = {}
    taken: set[str] = set()
    for ref in parsed.attachments:
        number = f"{ref.sequence:03d}"
        stub = names.safe(ref.stub, limit=60)
        stem = _stem(layout({**values, "stub": stub, "number": number}))
        if stem.casefold() in taken:
            stem = names.safe(f"{names.cut(stem, names.LIMIT_BYTES - 12)}-{number}")
        taken.add(stem.casefold())
        stems[ref.tip] = stem
    return Plan(folder=folder, text_name=f"{values['id']}_inspection_data.txt", stems=stems)


def check(layout: Layout, *, sample: Mapping[str, str]) -> None:
    """Nothing when `layout` gives a folder and a file name. Raises: ConfigError."""
    _folder(layout(sample))


def alternative(folder: str, tip: Tip, *, attempt: int = 1) -> str:
    """The name for `tip` of a folder that another TIP has claimed: ` (tip abcd1234)` is added.

    The same TIP gets the same name every time. Should that be claimed too, ask for attempt 2, then
    3, which tell apart any two TIPs.
    """
    if attempt == 1 and len(tip) >= 8 and tip[:8].isascii() and tip[:8].isalnum():
        word = tip[:8]
    else:
        word = names.digest(tip, chars={1: 8, 2: 16}.get(attempt, 64))
    mark = f" (tip {word})"
    parent, slash, name = folder.rpartition("/")
    return f"{parent}{slash}{names.cut(name, names.LIMIT_BYTES - len(mark))}{mark}"


def short_tip(tip: Tip) -> str:
    """What names a record that has no id: the TIP, or its start and part of its digest."""
    if len(tip) <= _SHORT_TIP_CHARS:
        return names.safe(tip, limit=ID_LIMIT_BYTES)
    return names.safe(f"{tip[:12]}-{names.digest(tip, chars=8)}", limit=ID_LIMIT_BYTES)


def _values(parsed: ParsedRecord) -> dict[str, str]:
    id_ = names.safe(parsed.reference, limit=ID_LIMIT_BYTES) if parsed.reference else ""
    day = parsed.inspection_date
    values = {
        "code": parsed.type_.code,
        "id": id_ or short_tip(parsed.tip),
        "tip": names.safe(parsed.tip, limit=ID_LIMIT_BYTES),
    }
    if day is None:
        unknown = dict.fromkeys(("date", "yyyymmdd", "long_date"), "unknown_date")
        year, month = "unknown_year", "unknown_month"
        return values | unknown | {"year": year, "month": month, "day": "unknown_day"}
    return values | {
        "date": day.isoformat(),
        "year": f"{day.year:04d}",
        "month": f"{day.month:02d}",
        "day": f"{day.day:02d}",
        "yyyymmdd": f"{day.year:04d}{day.month:02d}{day.day:02d}",
        "long_date": f"{day.day:02d} {_MONTHS[day.month - 1]} {day.year:04d}",
    }


def _folder(path: str) -> str:
    """The folder of a rendered layout, every component safe. Raises: ConfigError."""
    parts = [part for part in path.split("/") if part.strip()]
    if len(parts) < 2:
        raise errors.ConfigError(
            f"attachments.layout gives {path!r}, which is no folder and file name",
            remedy="give it at least one / between a folder and the name of a photo",
        )
    return "/".join([names.safe(part) for part in parts[:-1]])


def _stem(path: str) -> str:
    """The file name of a rendered layout, safe; the folder before it is of no matter."""
    return names.safe(path.rstrip("/ ").rpartition("/")[2])
