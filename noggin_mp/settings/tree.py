"""The schema as a tree of keys: what stands where, and every key there is."""

import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from noggin_mp.settings import schema
from noggin_mp.settings.section import Section

HOSTS = "<host>"
"""Stands in key paths for the name of any host."""

Model = type[BaseModel]


def walk(model: Model = schema.Settings) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every key with a value of its own, by path; layers of hosts come once, under `<host>`."""
    for name, info in model.model_fields.items():
        key = info.alias or name
        inner, many = _section_of(info.annotation)
        if inner is None:
            yield (key,), info
            continue
        head = (key, HOSTS) if many else (key,)
        for path, field in walk(inner):
            yield (*head, *path), field


def sections(model: Model = schema.Settings) -> Iterator[Model]:
    """Every kind of section, the whole configuration first; a kind may come more than once."""
    yield model
    for info in model.model_fields.values():
        inner, _ = _section_of(info.annotation)
        if inner is not None:
            yield from sections(inner)


def names() -> list[str]:
    """The dotted names of all keys but those of hosts' layers, in the order of the schema."""
    return [".".join(path) for path, _ in walk() if HOSTS not in path]


def siblings(path: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand beside the last part of `path`; none when any may."""
    model: Model | None = schema.Settings
    at = 0
    while at < len(path) - 1:
        if model is None:
            return []
        model, many = _child(model, str(path[at]))
        at += 2 if many else 1
    if model is None or at > len(path) - 1:
        return []
    return [info.alias or name for name, info in model.model_fields.items()]


def _child(model: Model, key: str) -> tuple[Model | None, bool]:
    for name, info in model.model_fields.items():
        if (info.alias or name) == key:
            return _section_of(info.annotation)
    return None, False


def _section_of(annotation: Any) -> tuple[Model | None, bool]:
    """The section an annotation holds, and whether it holds one per host."""
    if typing.get_origin(annotation) is dict:
        annotation = typing.get_args(annotation)[1]
        return annotation, True
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    return None, False
