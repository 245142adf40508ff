"""What the schema refuses, said to people: place, message, value (never a secret), remedy."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from noggin_mp.domain import errors, redaction
from noggin_mp.settings import policies, tree
from noggin_mp.settings.document import KeyPath, Place
from noggin_mp.settings.expand import dotted
from noggin_mp.settings.values import Expanded

_SHOWN_CHARS = 60
_MOST_HINTS = 200
"""A hint takes a look at every key there is; who wrote the wrong file needs no more of them."""
_RANGES = {
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}


class Places:
    """Where keys and values are written; falls back to the nearest section above."""

    def __init__(
        self, *, file: str, keys: Mapping[KeyPath, Place], values: Mapping[KeyPath, Place]
    ) -> None:
        self._file, self._keys, self._values = file, keys, values

    def given(self, path: KeyPath) -> Place | None:
        """The place of the value at `path`, when somebody wrote one."""
        return self._values.get(path) or self._aliased(path)

    def value(self, path: KeyPath) -> Place:
        """The place of the value at `path`, or of what holds it."""
        while path:
            found = self.given(path)
            if found:
                return found
            path = path[:-1]
        return Place(file=self._file)

    def first_given(self, paths: Sequence[KeyPath]) -> Place:
        """The place of the first of `paths` that somebody wrote, else of what holds the first."""
        return next(filter(None, map(self.given, paths)), None) or self.value(paths[0])

    def key(self, path: KeyPath) -> Place:
        """The place of the key at `path`, or of what holds it."""
        return self._keys.get(path) or self.value(path)

    def _aliased(self, path: KeyPath) -> Place | None:
        for alias, name in policies.ALIASES.items():
            if path and path[-1] == name:
                return self._values.get((*path[:-1], alias))
        return None


def problems(error: ValidationError, places: Places) -> list[tuple[KeyPath, errors.Problem]]:
    """Every fault in `error` with the path of the value to leave out."""
    found = []
    for at, fault in enumerate(error.errors(include_url=False)):
        path: KeyPath = fault["loc"]
        found.append((path, _problem(path, fault, places, hint=at < _MOST_HINTS)))
    return found


def _problem(
    path: KeyPath, fault: Mapping[str, Any], places: Places, *, hint: bool
) -> errors.Problem:
    kind, context = str(fault["type"]), fault.get("ctx", {})
    name = dotted(path) or "the configuration"
    if kind == "extra_forbidden":
        remedy = _nearest(path) if hint else ""
        return places.key(path).problem(f'unknown key "{name}"', remedy)
    remedy = ""
    if context.get("ours"):
        message, remedy = str(context["message"]), str(context["remedy"])
    elif kind in _RANGES:
        message = _RANGES[kind].format(**context)
    elif kind == "literal_error":
        choices = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
        message = f"must be one of {', '.join(choices)}"
        remedy = _did_you_mean(str(fault["input"]).lower(), choices)
    elif kind in ("list_type", "dict_type"):
        thing = "a list" if kind == "list_type" else "a section with keys of its own"
        message = f"must be {thing}"
        remedy = "write it like [a, b]" if kind == "list_type" else "indent its keys under it"
    else:
        message = str(fault["msg"])
    value = "" if context.get("hide") or kind == "dict_type" else shown(path, fault["input"])
    return places.value(path).problem(f"{name} {message}{value}", remedy)


def shown(path: KeyPath, value: Any) -> str:
    """` (8)`: a value as it may be shown behind a message; empty for secrets and sections."""
    if value is None:
        return " (it has no value)"
    if isinstance(value, dict | list | BaseModel) or is_secret(path):
        return ""
    if isinstance(value, Expanded):
        if value.secret:
            return f" (from {value.written})" if len(value.written) < _SHOWN_CHARS else ""
        return f" ({_short(value)} from {_short(value.written)})"
    return f" ({_short(value)})"


def is_secret(path: Iterable[str | int]) -> bool:
    """True for a key whose value is never shown."""
    return any(isinstance(part, str) and redaction.is_secret_name(part) for part in path)


def _short(value: Any) -> str:
    text = redaction.scrub(str(value))
    if len(text) > _SHOWN_CHARS:
        text = text[:_SHOWN_CHARS] + "..."
    return json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text.lower()


def _nearest(path: KeyPath) -> str:
    """The remedy for an unknown key: a near name in its section, or the same name elsewhere."""
    wrong = str(path[-1])
    siblings = tree.siblings(path)
    near = difflib.get_close_matches(wrong.lower().replace("-", "_"), siblings, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    every = tree.names()
    elsewhere = [name for name in every if name.rpartition(".")[2] == wrong]
    if elsewhere:
        return f'did you mean "{elsewhere[0]}"?'
    near = difflib.get_close_matches(dotted(path), every, n=1, cutoff=0.8)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known here: {', '.join(siblings)}" if siblings else "take it out"


def _did_you_mean(word: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    return f'did you mean "{near[0]}"?' if near else ""
