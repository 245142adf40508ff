"""Object types and kinds of entities as people name them on the command line."""

import difflib

from noggin_mp.cli.context import Context
from noggin_mp.domain import errors
from noggin_mp.domain.object_types import Catalogue, ObjectType
from noggin_mp.settings import object_types

EXTRA_ENTITIES = ("site",)
"""Kinds that Noggin exports name lists of although no record field holds them."""


def catalogue(ctx: Context) -> Catalogue:
    """The configured object types. Raises: ConfigError."""
    return object_types.load(ctx.settings.object_types)


def object_type(types: Catalogue, name: str) -> ObjectType:
    """The type called `name`, by code or full name, without case. Raises: UsageError."""
    found = types.find(name)
    if found is None:
        raise errors.UsageError(
            f"there is no object type {name!r}", remedy=_one_of(name, list(types.by_code))
        )
    return found


def names(types: Catalogue, name: str) -> list[str]:
    """The code and full name of the type called `name`, in lower case, as filters want them.

    A type that is not configured may well be what somebody looks for: it stands for itself.
    """
    found = types.find(name)
    return [name.lower()] if found is None else [found.code.lower(), found.name.lower()]


def entity(types: Catalogue, name: str) -> str:
    """The kind of entity called `name`, singular or plural. Raises: UsageError."""
    known = {
        one.entity
        for each in types.types
        for one in each.hash_fields
        if one.looked_up and one.entity
    }
    known.update(EXTRA_ENTITIES)
    word = name.strip().lower().replace("-", "_")
    for candidate in (word, word.removesuffix("s")):
        if candidate in known:
            return candidate
    raise errors.UsageError(
        f"there is no kind of name {name!r}", remedy=_one_of(word, sorted(known))
    )


def _one_of(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [one.lower() for one in known], n=1)
    hint = next((f"did you mean {one}? " for one in known if near and one.lower() == near[0]), "")
    return f"{hint}it is one of {', '.join(known)}"
