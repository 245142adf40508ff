"""Several documents as one: what a later one says wins, key by key."""

from collections.abc import Iterable, Iterator
from typing import Any

from noggin_mp.settings.document import Document, KeyPath


def merged(documents: list[Document]) -> Document:
    """One document: later ones win key by key; lists are replaced whole."""
    whole = Document(empty=all(one.empty for one in documents))
    for one in documents:
        whole.problems += one.problems
        whole.broken |= one.broken
        whole.data = _overlaid(whole.data, one.data, (), whole, one)
    return whole


def _overlaid(
    below: dict[str, Any], above: dict[str, Any], path: KeyPath, whole: Document, one: Document
) -> dict[str, Any]:
    made = dict(below)
    for name, value in above.items():
        here = (*path, name)
        old = made.get(name)
        if isinstance(old, dict) and value is None:
            continue  # a section that is named and left empty takes nothing away
        whole.keys[here] = one.keys[here]
        if isinstance(old, dict) and isinstance(value, dict):
            made[name] = _overlaid(old, value, here, whole, one)
            continue
        for stale in _paths(old, here):
            whole.keys.pop(stale, None)
            whole.places.pop(stale, None)
        made[name] = value
        for known in _paths(value, here):
            if known in one.keys:
                whole.keys[known] = one.keys[known]
            whole.places[known] = one.places[known]
    return made


def _paths(value: Any, path: KeyPath) -> Iterator[KeyPath]:
    """The path of a value, and of all that is in it."""
    yield path
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner:
        yield from _paths(item, (*path, key))
