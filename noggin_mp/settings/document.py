"""One YAML file as plain data, with the place of every key and value, and every fault found.

Booleans are only `true` and `false`, numbers only decimal, and dates stay text: `no`, `1:30`, `010`
and `2025-01-01` would otherwise turn into something nobody wrote.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from noggin_mp.domain import errors
from noggin_mp.settings import excerpt, file_bytes

KeyPath = tuple[str | int, ...]
MAX_NODES = 20_000
MAX_DEPTH = 32
_MOST_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in which file; line and column count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def problem(self, message: str, remedy: str = "") -> errors.Problem:
        """A problem at this place; nobody reads a message longer than a paragraph."""
        if len(message) > _MOST_CHARS:
            message = f"{message[:_MOST_CHARS]}..."
        return errors.Problem(
            file=self.file, line=self.line, column=self.column, message=message, remedy=remedy
        )

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)


@dataclass(slots=True, kw_only=True)
class Document:
    """What a file says: data, and by key path the places of keys and of values."""

    data: dict[str, Any] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[errors.Problem] = field(default_factory=list)
    broken: set[KeyPath] = field(default_factory=set)
    """Keys left out of `data` because what stands behind them is no value."""
    empty: bool = False
    text: str = ""


class _TooMuch(Exception):
    """No configuration is like that: what is wrong, and where it is noticed."""

    def __init__(self, message: str, mark: yaml.Mark) -> None:
        super().__init__(message)
        self.message, self.mark = message, mark


class _Loader(yaml.SafeLoader):
    """SafeLoader with the few implicit types of YAML 1.2, and bounds on what it takes in."""

    _count = _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._count += 1
        self._depth += 1
        if self._count > MAX_NODES:
            raise _TooMuch("the file holds too many values", self._mark())
        if self._depth > MAX_DEPTH:
            raise _TooMuch("is nested too deeply", self._mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _mark(self) -> yaml.Mark:
        found: yaml.Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return found


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _first
    )


def read(path: Path, *, name: str | None = None) -> Document:
    """The document in `path`, called `name` in messages; faults are in its `problems`."""
    shown = name or str(path)
    text = text_of(path, name=shown)
    if isinstance(text, errors.Problem):
        return Document(problems=[text])
    return parse(text, name=shown)


def text_of(path: Path, *, name: str) -> str | errors.Problem:
    """What a file holds, or why it cannot be had."""
    try:
        raw = file_bytes.read(path)
    except OSError as error:
        return _unreadable(name, error)
    except file_bytes.Unfit as error:
        return Place(file=name).problem(error.message, error.remedy)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _not_utf8(name, raw, error.start)


def composed(text: str, *, name: str) -> yaml.Node | errors.Problem | None:
    """The root of the YAML in `text`, or why there is none; None when nothing is written."""
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        return excerpt.syntax_problem(error, text, name)
    except _TooMuch as error:
        line, column = error.mark.line + 1, error.mark.column + 1
        return Place(file=name, line=line, column=column).problem(error.message)
    return node


def parse(text: str, *, name: str) -> Document:
    """The document in `text`, called `name` in messages; faults are in its `problems`."""
    node = composed(text, name=name)
    if isinstance(node, errors.Problem):
        return Document(problems=[node])
    if node is None:
        return Document(empty=True, text=text)
    made = _Builder(name).build(node)
    made.text = text
    return made


def is_text(text: str) -> bool:
    """False when it holds what no file could: an escape may name half of a pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unreadable(name: str, error: OSError) -> errors.Problem:
    place = Place(file=name)
    if isinstance(error, FileNotFoundError):
        return place.problem("there is no such file", "create it or name another with -c")
    if isinstance(error, IsADirectoryError):
        return place.problem("is a directory, not a file", "name the file in it with -c")
    if isinstance(error, PermissionError):
        return place.problem(
            "may not be read by this user", f"run: sudo chmod a+r {name} (or change its owner)"
        )
    return place.problem(f"cannot be read: {error.strerror or error}")


def _not_utf8(name: str, raw: bytes, at: int) -> errors.Problem:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        message, remedy = "is UTF-16, not UTF-8", "save it as UTF-8"
        return Place(file=name, line=1, column=1).problem(message, remedy)
    line = raw.count(b"\n", 0, at) + 1
    column = len(raw[raw.rfind(b"\n", 0, at) + 1 : at].decode("utf-8", "replace")) + 1
    return Place(file=name, line=line, column=column).problem(
        f"byte {raw[at]:#04x} is not UTF-8", "save the file as UTF-8"
    )


def _says_something(value: Any) -> bool:
    """False for sections, and sections of sections, in which nothing is written."""
    if isinstance(value, dict):
        return any(_says_something(item) for item in value.values())
    return value is not None


_BROKEN: Final = object()
"""Stands for a value whose own fault is told; whoever holds it leaves it out."""


class _Builder:
    """Turns YAML nodes into plain data, noting places and faults."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._document = Document()
        self._open: set[int] = set()
        self._count = 0

    def build(self, node: yaml.Node) -> Document:
        """The document under the root `node`."""
        data = self._value(node, ())
        if isinstance(data, dict):
            self._document.data = data
            self._document.empty = not (self._document.problems or _says_something(data))
        elif data is _BROKEN:
            pass  # told
        elif data is None:
            self._document.empty = not self._document.problems
        else:
            self._fault(node, "must be a mapping of sections", "start it like `database:`")
        return self._document

    def _place(self, node: yaml.Node) -> Place:
        mark = node.start_mark
        return Place(file=self._name, line=mark.line + 1, column=mark.column + 1)

    def _fault(self, node: yaml.Node, message: str, remedy: str = "") -> None:
        self._document.problems.append(self._place(node).problem(message, remedy))

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            if self._count == MAX_NODES + 1:
                self._fault(node, "the file holds too many values (aliases of aliases?)")
            return _BROKEN
        self._document.places[path] = self._place(node)
        if id(node) in self._open:
            self._fault(node, "an alias refers to the very value it stands in")
            return _BROKEN
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                items = [self._value(item, (*path, at)) for at, item in enumerate(node.value)]
                return _BROKEN if _BROKEN in items else items
            return self._scalar(node)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fault(
                    key, "a key must be a word", "values that start with { or [ need quotes"
                )
                continue
            name = str(key.value)
            if not is_text(name):
                self._fault(key, "a key holds half of a character (\\ud800 to \\udfff)")
                continue
            here = (*path, name)
            if name == "<<":
                self._fault(key, "merge keys (<<) are not supported", "write the keys out")
            elif name in made:
                first = self._document.keys[here].line
                self._fault(key, f'the key "{name}" is given twice', f"line {first} has it already")
            else:
                self._document.keys[here] = self._place(key)
                made[name] = self._value(value, here)
                if made[name] is _BROKEN:
                    self._document.broken.add(here)
        return {name: value for name, value in made.items() if value is not _BROKEN}

    def _scalar(self, node: yaml.Node) -> Any:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        text = str(node.value)
        if kind == "str":
            if not is_text(text):
                self._fault(node, "holds half of a character (\\ud800 to \\udfff)")
                return _BROKEN
            return text
        if kind == "null":
            return None
        try:
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                return int(text)
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except (KeyError, ValueError):
            self._fault(node, f"is marked as {kind} but is none")
            return _BROKEN
        self._fault(node, "tags (!...) are not supported", "put the value in quotes")
        return _BROKEN
