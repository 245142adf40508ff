"""The kinds of value a key may hold, each strict and each with a message that says what to write.

Text that came out of an expansion (`Expanded`) may stand for a number or a switch; text that
somebody typed in quotes may not.
"""

import ipaddress
import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError


class Expanded(str):
    """Text made by `${...}`: remembers what was written, and whether a secret is in it."""

    written: str
    secret: bool

    def __new__(cls, text: str, *, written: str, secret: bool) -> "Expanded":
        """The expanded text with its origin."""
        made = super().__new__(cls, text)
        made.written, made.secret = written, secret
        return made


def refuse(message: str, remedy: str = "", *, hide: bool = False) -> NoReturn:
    """Raise the error that a validator hands to the loader; `hide` keeps the value out of it."""
    raise PydanticCustomError(
        "value", "{message}", {"message": message, "remedy": remedy, "hide": hide, "ours": True}
    )


_MOST_DIGITS = 400
"""Far above every range; Python itself refuses to read more than some thousands."""
_WHOLE = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|[kmgt]i?b)", re.I)
_SIZE_SCHEMA = r"^\s*\d+(\.\d+)?\s*([kKmMgGtT][iI]?)?[bB]\s*$"
"""The same for a JSON Schema, whose patterns know no flags and match anywhere."""
_UNIT = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12} | {
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40
}  # fmt: skip


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, Expanded) and _WHOLE.fullmatch(value.strip()):
            return _int(value)
        if isinstance(value, float) and value.is_integer():
            refuse("must be a whole number", f"write {value:.0f}" if abs(value) < 1e15 else "")
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            plain = value.strip().replace("_", "")
            remedy = f"write {plain}" if "_" in value else "take the quotes away"
            refuse("must be a whole number, not text", remedy)
        refuse("must be a whole number")
    return value


def _int(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        refuse("must be a whole number with less digits")
    return int(digits)


def _number(value: Any) -> float:
    if isinstance(value, Expanded):
        try:
            value = float(value)
        except ValueError:
            _refuse_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse_number(value)
    try:
        number = float(value)
    except OverflowError:  # a whole number that no float can hold
        number = math.inf
    if not math.isfinite(number):
        refuse("must be a finite number")
    return number


def _refuse_number(value: Any) -> NoReturn:
    if isinstance(value, str):
        duration = _DURATION.fullmatch(value.strip().lower())
        if duration:
            amount, unit = duration.groups()
            seconds = float(amount) * _SECONDS["ms" if unit == "ms" else unit[0]]
            refuse("must be a plain number of seconds", f"write {seconds:g}")
        if re.fullmatch(r"[-+]?\d+(\.\d+)?", value.strip()):
            refuse("must be a number, not text", "take the quotes away")
    refuse("must be a number")


def _flag(value: Any) -> bool:
    if isinstance(value, Expanded) and value.strip().lower() in ("true", "false", "1", "0"):
        return value.strip().lower() in ("true", "1")
    if not isinstance(value, bool):
        word = str(value).strip().lower()
        hint = {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false"}
        hint |= {"0": "false", "true": "true without quotes", "false": "false without quotes"}
        refuse("must be true or false", f"write {hint[word]}" if word in hint else "")
    return value


def text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        if "\x00" in value:
            refuse("must not hold a NUL character")
        return str(value)
    if isinstance(value, bool | int | float):
        refuse("must be text", "put it in quotes")
    return refuse("must be text")


def _word(value: Any) -> str:
    return text(value).strip().lower()


def _size(value: Any) -> int:
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found:
            size = float(found[1]) * _UNIT[found[2].lower()]
            return int(size) if math.isfinite(size) else refuse("must be a finite number of bytes")
        if not isinstance(value, Expanded) or not _WHOLE.fullmatch(value.strip()):
            refuse("must be a number of bytes", "write it like 500 MB, 1 GiB or 500000000")
    return _whole(value)


def _folder(value: Any) -> Path:
    written = text(str(value) if isinstance(value, Path) else value)
    if not written:
        refuse("must name a folder")
    try:
        expanded = Path(written).expanduser() if written.startswith("~") else Path(written)
        # Not resolve(): a symlink the operator set up (var -> /srv/noggin) stays as written.
        return Path(os.path.abspath(expanded))  # noqa: PTH100
    except RuntimeError:
        return refuse("begins with ~, and that user has no home folder", "write the whole path")
    except FileNotFoundError:
        if isinstance(value, Path):  # a default, which may well be of no importance
            return value
        return refuse("is relative, and the working directory is gone", "write the whole path")


def _optional_path(value: Any) -> Path | None:
    return None if value is None or value == "" else _folder(value)


def is_off(value: Any) -> bool:
    """True for off, for nothing, and for false, which YAML 1.1 makes of a bare off."""
    return (
        value is None
        or value is False
        or (isinstance(value, str) and value.strip().lower() in ("off", ""))
    )


def _off_or_number(value: Any) -> float | None:
    if is_off(value):
        return None
    return _number(value)


def _off_or_whole(value: Any) -> int | None:
    if is_off(value):
        return None
    return _whole(value)


def normal_host(text: str) -> str:
    """A host name as breaker and pacing scopes carry it: IDNA, lower case, no trailing dot.

    Raises: ValueError when it is no host name.
    """
    bare = text.strip().rstrip(".").lower()
    if bare.startswith("[") and bare.endswith("]"):
        bare = bare[1:-1]
    if ":" in bare:
        return str(ipaddress.IPv6Address(bare))
    coded = bare.encode("idna").decode("ascii").lower()
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?", coded):
        raise ValueError(f"{text!r} is no host name")
    return coded


Int = Annotated[int, BeforeValidator(_whole)]
Num = Annotated[float, BeforeValidator(_number)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, BeforeValidator(text)]
Word = BeforeValidator(_word)
Folder = Annotated[Path, BeforeValidator(_folder), PlainSerializer(str, return_type=str)]
OptionalPath = Annotated[
    Path | None,
    BeforeValidator(_optional_path),
    PlainSerializer(lambda path: None if path is None else str(path), return_type=str | None),
]
_OFF_SCHEMA = ({"enum": ["off", False, None]}, {"type": "string", "pattern": r"^\s*$"})
OffOrNum = Annotated[
    float | None,
    BeforeValidator(_off_or_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, *_OFF_SCHEMA]}),
]
OffOrInt = Annotated[
    int | None,
    BeforeValidator(_off_or_whole),
    WithJsonSchema({"anyOf": [{"type": "integer"}, *_OFF_SCHEMA]}),
]
Size = Annotated[
    int,
    BeforeValidator(_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "pattern": _SIZE_SCHEMA}]}),
]
