"""Which files a record has: every item of every attachment field, once, in field order."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from noggin_mp.domain import tip as tips
from noggin_mp.domain import values
from noggin_mp.domain.object_types import ObjectType
from noggin_mp.domain.tip import Tip

_HEX64 = re.compile(r"[0-9a-f]{64}")  # nearly every TIP, known at a glance
DEFAULT_STUB = "photo"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentRef:
    """One file of a record: `url` as the record gives it (a path or an absolute URL)."""

    tip: Tip
    url: str
    field: str
    stub: str
    sequence: int  # from 1, over the whole record, usable and unusable items alike


@dataclass(frozen=True, slots=True, kw_only=True)
class BadAttachment:
    """One item that cannot be fetched; `tip` is made up from its content, to key its row."""

    tip: Tip
    item: str
    field: str
    sequence: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachments:
    """All items of a record. `too_many` counts the distinct ones left out beyond the limit."""

    usable: tuple[AttachmentRef, ...] = ()
    bad: tuple[BadAttachment, ...] = ()
    too_many: int = 0

    @property
    def total(self) -> int:
        """Every distinct item, those that cannot be fetched included."""
        return len(self.usable) + len(self.bad) + self.too_many


def collect(body: Mapping[str, object], *, type_: ObjectType, limit: int) -> Attachments:
    """The attachments of `body`; the same attachment TIP twice is one attachment, its first."""
    usable: list[AttachmentRef] = []
    bad: list[BadAttachment] = []
    seen: set[Tip] = set()
    for field in type_.file_fields:
        for item in _items(body.get(field.name)):
            url = item.strip() if isinstance(item, str) else ""
            found, reason = _tip_of(url) if url else ("", "not a URL")
            tip = Tip(found) if found else _made_up(item)
            if tip in seen:
                continue
            seen.add(tip)
            sequence = len(seen)
            if sequence > limit:
                continue
            if found:
                stub = field.stub or DEFAULT_STUB
                usable.append(
                    AttachmentRef(tip=tip, url=url, field=field.name, stub=stub, sequence=sequence)
                )
            else:
                shown = values.shown(item, limit=300)
                bad.append(
                    BadAttachment(
                        tip=tip, item=shown, field=field.name, sequence=sequence, reason=reason
                    )
                )
    too_many = max(0, len(seen) - limit)
    return Attachments(usable=tuple(usable), bad=tuple(bad), too_many=too_many)


def _items(value: object) -> Iterator[object]:
    """The items of a field: a list's, or the value itself where the API gave no list."""
    if isinstance(value, list):
        yield from value
    elif value is not None and value != "":
        yield value


def _tip_of(url: str) -> tuple[str, str]:
    """The attachment TIP in the URL's query and "", or "" and why there is none."""
    if not url.isprintable() or " " in url:
        return "", "the URL holds white space or control characters"
    query = url.partition("#")[0].partition("?")[2]
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if key == "tip":
            found = unquote(value) if "%" in value else value
            if _HEX64.fullmatch(found) or tips.is_tip(found):
                return found, ""
            return "", "the tip in the URL is no TIP"
    return "", "the URL has no tip"


def _made_up(item: object) -> Tip:
    digest = hashlib.sha256(repr(item).encode("utf-8", "backslashreplace")).hexdigest()
    return Tip(f"malformed-{digest[:32]}")
