"""Expansion of `${...}` in texts of the configuration.

`${NAME}` (upper case) is the environment, `${section.key}` (lower case) the configuration itself;
`${...:-default}` says what to take when it is unset or empty, and may nest; `$${` is a plain `${`.
What the environment holds is taken as it is and never expanded again.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from noggin_mp.domain import errors, redaction
from noggin_mp.settings import document
from noggin_mp.settings.document import Document, KeyPath, Place
from noggin_mp.settings.values import Expanded

_ENVIRONMENT = re.compile(r"[A-Z_][A-Z0-9_]*")
_REFERENCE = re.compile(r"[a-z_][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_MISSING = object()
_SHOWN_CHARS = 60
_MAX_DEPTH = 32
_BUDGET = 1 << 20
"""For all references of a configuration together: their characters, and a price for each."""
_PRICE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Expanded data; the faults found; and the paths of the values left out because of them."""

    data: dict[str, Any]
    problems: list[errors.Problem]
    dropped: set[KeyPath]


class _Fault(Exception):
    """Why a text cannot be expanded."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


class _Cycle(_Fault):
    """The text refers to itself, possibly through others."""


class _TooMuch(_Fault):
    """References to references to references: no configuration is like that."""


class _Elsewhere(Exception):
    """The text refers to a value whose own fault is reported at its own place."""


def expand(whole: Document, *, env: Mapping[str, str], defaults: Mapping[str, Any]) -> Expansion:
    """The document's data with every text expanded; what cannot be expanded is left out."""
    return _Expander(whole, env, defaults).run()


class _Expander:
    def __init__(
        self, whole: Document, env: Mapping[str, str], defaults: Mapping[str, Any]
    ) -> None:
        self._document, self._env, self._defaults = whole, env, defaults
        self._trail: list[KeyPath] = []
        self._problems: list[errors.Problem] = []
        self._dropped: set[KeyPath] = set()
        self._left = _BUDGET
        self._depth = 0

    def run(self) -> Expansion:
        """Everything expanded."""
        data = self._walk(self._document.data, ())
        return Expansion(data=data, problems=self._problems, dropped=self._dropped)

    def _walk(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, dict):
            pairs = ((name, self._walk(item, (*path, name))) for name, item in value.items())
            return {name: made for name, made in pairs if made is not _MISSING}
        if isinstance(value, list):
            items = [self._walk(item, (*path, at)) for at, item in enumerate(value)]
            return _MISSING if _MISSING in items else items
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            return self._value(path, value)
        except _Fault as fault:
            place = self._document.places.get(path, Place(file="configuration"))
            self._problems.append(place.problem(fault.message, fault.remedy))
        except _Elsewhere:
            pass
        self._dropped.add(path)
        return _MISSING

    def _value(self, path: KeyPath, value: Any) -> Any:
        """The value at `path`, expanded. Raises: _Fault, _Elsewhere."""
        if not isinstance(value, str) or "${" not in value:
            return value
        if path in self._trail:
            self._refuse_cycle(path)
        self._trail.append(path)
        try:
            self._bound_depth(len(self._trail))
            whole = _whole_reference(value)
            if whole is not None:
                return self._lookup(whole)
            text, secret = self._text(value)
            return Expanded(text, written=value, secret=secret)
        finally:
            self._trail.pop()

    def _refuse_cycle(self, path: KeyPath) -> None:
        cycle = self._trail[self._trail.index(path) :]
        if path != self._trail[0] or any(item in self._dropped for item in cycle):
            raise _Elsewhere  # reported where the cycle itself begins, and only once
        shown = " -> ".join(dotted(item) for item in [*cycle, path])
        raise _Cycle(f"refers to itself: {shown}", "give one of them a value of its own")

    def _bound_depth(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise _TooMuch(f"refers to more than {_MAX_DEPTH} values, one through the other")

    def _pay(self, price: int) -> None:
        """Bound what all references take: a few lines can ask for billions. Raises: _Fault."""
        if self._left < 0:
            raise _Elsewhere  # that was told, once
        self._left -= price
        if self._left < 0:
            raise _TooMuch("with this the references grow too large", "write the values out")

    def _text(self, template: str) -> tuple[str, bool]:
        made, secret, at = "", False, 0
        while True:
            start = template.find("${", at)
            if start < 0:
                return made + template[at:], secret
            if start > at and template[start - 1] == "$":
                made += template[at : start - 1] + "${"
                at = start + 2
                continue
            end = _closing(template, start)
            if end < 0:
                raise _Fault('a "${" is not closed', 'add "}", or write "$${" for a literal "${"')
            value, hidden = self._reference(template[start + 2 : end])
            self._pay(len(value))
            made += template[at:start] + value
            secret, at = secret or hidden, end + 1

    def _reference(self, inner: str) -> tuple[str, bool]:
        self._pay(_PRICE)
        name, separator, default = inner.partition(":-")
        name = name.strip()
        if _ENVIRONMENT.fullmatch(name):
            value = self._env.get(name, "")
            if not document.is_text(value):
                raise _Fault(f"the environment variable {name} is not UTF-8", "set it anew")
            if value:
                return value, redaction.is_secret_name(name.lower()) or name.endswith("DSN")
            if separator:
                return self._default(default)
            state = "empty" if name in self._env else "not set"
            raise _Fault(
                f"the environment variable {name} is {state}",
                f"set it, or write ${{{name}:-default}}",
            )
        if not _REFERENCE.fullmatch(name):
            raise _Fault(
                f'"${{{_cut(name)}}}" is neither an environment variable nor a key',
                "write ${NAME} for the environment, ${section.key} for the configuration",
            )
        found = self._lookup(name, default=None if not separator else default)
        secret = redaction.is_secret_name(name) or getattr(found, "secret", False)
        if isinstance(found, bool):
            return str(found).lower(), secret
        return "" if found is None else str(found), secret

    def _default(self, template: str) -> tuple[str, bool]:
        self._depth += 1
        try:
            self._bound_depth(self._depth)
            return self._text(template)
        finally:
            self._depth -= 1

    def _lookup(self, name: str, *, default: str | None = None) -> Any:
        """The value of the configuration's key `name`. Raises: _Fault, _Elsewhere."""
        self._pay(_PRICE)
        path: KeyPath = tuple(name.split("."))
        found = _get(self._document.data, path)
        if found is _MISSING or found is None:
            fallback = _get(self._defaults, path)
            found = found if fallback is _MISSING or fallback is None else fallback
        elif not isinstance(found, dict | list):
            found = self._referred(path, found)
        if isinstance(found, dict | list):
            raise _Fault(f'"${{{name}}}" is a whole section or list', "refer to a single value")
        if found in (_MISSING, None, "") and default is not None:
            text, secret = self._default(default)
            return Expanded(text, written=default, secret=secret)
        if found is _MISSING:
            near = difflib.get_close_matches(name[:80], _names(self._defaults), n=1)
            remedy = f'did you mean "${{{near[0]}}}"?' if near else "see: noggin-mp config schema"
            raise _Fault(f'there is no key "{_cut(name)}" to refer to', remedy)
        if isinstance(found, str) and redaction.is_secret_name(name):
            return Expanded(found, written=f"${{{name}}}", secret=True)
        return found

    def _referred(self, path: KeyPath, value: Any) -> Any:
        try:
            return self._value(path, value)
        except (_Cycle, _TooMuch):
            raise
        except _Fault:
            raise _Elsewhere from None


def _cut(name: str) -> str:
    return name if len(name) <= _SHOWN_CHARS else f"{name[:_SHOWN_CHARS]}..."


def dotted(path: KeyPath) -> str:
    """`("api", "hashes", 0)` as `api.hashes[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _whole_reference(text: str) -> str | None:
    """The key when `text` is exactly one `${section.key}`: its value then keeps its type."""
    found = re.fullmatch(r"\$\{\s*([^{}:]+?)\s*\}", text)
    return found[1] if found and _REFERENCE.fullmatch(found[1]) else None


def _closing(template: str, start: int) -> int:
    depth, at = 0, start
    while at < len(template):
        if template.startswith("${", at):
            depth, at = depth + 1, at + 2
            continue
        if template[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return -1


def _get(data: Mapping[str, Any], path: KeyPath) -> Any:
    found: Any = data
    for part in path:
        if not isinstance(found, Mapping) or part not in found:
            return _MISSING
        found = found[part]
    return found


def _names(data: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, value in data.items():
        full = f"{prefix}{name}"
        names += _names(value, f"{full}.") if isinstance(value, Mapping) else [full]
    return names
