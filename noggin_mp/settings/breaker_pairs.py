"""One `key:value` of a breaker form: which field it means, and its value, checked."""

import difflib
import json
import re
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

from noggin_mp.settings import faults, policies

EXAMPLE: Final = "fail_max:5,reset:60"
"""What remedies show."""

_KEYS: Final = tuple(policies.BreakerLayer.model_fields)
_INT: Final = re.compile(r"[-+]?[0-9]{1,20}", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?([0-9]{1,20}\.[0-9]{0,20}|\.[0-9]{1,20})", re.ASCII)
_SHOWN_CHARS: Final = 60


class Fault(Exception):
    """What is wrong, and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def twice(piece: str, key: str, first: str) -> Fault:
    """The fault of a field that one form gives twice, under its own name or an alias."""
    return Fault(
        f"{shown(piece)}: {key} is given twice, {shown(first)} has it already",
        "keep one of them",
    )


def read(piece: str, origin: str) -> tuple[str, policies.Value]:
    """A field and its value from `key:value`. Raises: Fault."""
    if not piece:
        raise Fault("holds an empty piece", f"write key:value,key:value, like {EXAMPLE}")
    written, colon, text = (part.strip() for part in piece.partition(":"))
    if not colon:
        name, _, rest = (part.strip() for part in piece.partition("="))
        known = rest and _field(name) in _KEYS
        remedy = f"write {name}:{rest}" if known else f"write {written}:VALUE"
        raise Fault(f"{shown(piece)} is no key:value", remedy)
    if "=" in written:
        raise Fault(f"{shown(piece)} names a scope", "name it with --breaker HOST=... instead")
    key = _field(written)
    if key not in _KEYS:
        meant = near(key, (*_KEYS, *policies.ALIASES))
        raise Fault(
            f"{shown(piece)}: unknown key {shown(written)}", meant or f"known: {', '.join(_KEYS)}"
        )
    if not text:
        raise Fault(f"{shown(piece)}: {key} has no value", f"write {written}:VALUE")
    try:
        layer = policies.BreakerLayer.model_validate({key: _plain(text)})
    except ValidationError as error:
        _, problem = faults.problems(error, faults.Places(file=origin, keys={}, values={}))[0]
        raise Fault(f"{shown(piece)}: {problem.message}", problem.remedy) from None
    value: policies.Value = getattr(layer, key)
    return key, value


def _field(written: str) -> str:
    key = written.lower().replace("-", "_")
    return policies.ALIASES.get(key, key)


def _plain(text: str) -> int | float | str:
    """The value as YAML would have it: a number, or text."""
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def near(word: str, choices: Sequence[str]) -> str:
    """A remedy that names the choice nearest to `word`, or nothing."""
    found = difflib.get_close_matches(word, choices, n=1, cutoff=0.6)
    return f'did you mean "{found[0]}"?' if found else ""


def shown(text: str) -> str:
    """Text as a message quotes it: short, and on one line."""
    short = text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "..."
    return json.dumps(short, ensure_ascii=False)
