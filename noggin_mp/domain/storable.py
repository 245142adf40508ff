"""Whether Postgres can store a body as jsonb: what it would refuse is found before it is sent."""

import json
from collections.abc import Mapping

from noggin_mp.domain import values

MAX_DEPTH = 64
"""Nesting beyond this is refused: records are flat, and Postgres gives up on deep JSON."""


def trouble(body: Mapping[str, object]) -> tuple[str, str] | None:
    """None when all of `body` can be stored, else a slug and why.

    The slugs: nul, surrogate, number, too_deep.

    One fast pass by the JSON encoder finds what is suspicious; only then are the values walked.
    """
    try:
        text = json.dumps(body, allow_nan=False)
    except ValueError as error:
        return "number", f"the body holds a number that JSON has not: {error}"
    except RecursionError:
        return "too_deep", "the body is nested too deeply"
    nested = text.count("{") + text.count("[") > MAX_DEPTH
    if nested or "\\u0000" in text or "\\ud" in text:
        for name, value in body.items():
            found = _of_value(name, name) or _of_value(name, value)
            if found is not None:
                return found
    return None


def _of_value(name: str, value: object) -> tuple[str, str] | None:
    """The trouble with what lies in the field `name`, or None."""
    pending = [(value, 1)]
    while pending:
        one, depth = pending.pop()
        if depth > MAX_DEPTH:
            return "too_deep", f"{values.shown(name)} is nested too deeply"
        if isinstance(one, dict):
            pending.extend((key, depth) for key in one)
            pending.extend((item, depth + 1) for item in one.values())
        elif isinstance(one, list):
            pending.extend((item, depth + 1) for item in one)
        elif isinstance(one, str):
            if "\0" in one:
                return "nul", f"{values.shown(name)} holds a NUL character"
            if not one.isascii() and any("\ud800" <= char <= "\udfff" for char in one):
                return "surrogate", f"{values.shown(name)} holds half a character"
    return None
