"""Bodies as the API gives them, made from an object type, for tests of what reads them."""

import hashlib
from zoneinfo import ZoneInfo

from noggin_mp.domain.object_types import Kind, ObjectType
from noggin_mp.domain.tip import Tip

PERTH = ZoneInfo("Australia/Perth")


def hex64(text: str) -> str:
    """A TIP or hash that belongs to `text`."""
    return hashlib.sha256(text.encode()).hexdigest()


TIP = Tip(hex64("record"))


def media(name: str) -> str:
    """A media URL as records carry it."""
    return f"/media/file?ns={hex64('namespace')}&tip={hex64(name)}"


def body(type_: ObjectType, *, tip: str = TIP, **changes: object) -> dict[str, object]:
    """A body with every field of the type filled; `changes` replace fields, None removes one."""
    made: dict[str, object] = {
        "$meta": {
            "createdDate": "2025-10-22T23:59:58.123Z",
            "modifiedDate": "2025-10-23T01:02:03.004Z",
            "security": hex64("security"),
            "type": hex64("type"),
            "tip": tip,
            "sid": hex64("sid"),
            "branch": "branch/master",
            "parent": [hex64("sid")],
            "errors": [],
        }
    }
    samples: dict[Kind, object] = {
        Kind.ID: f"{type_.id_prefix}{'7' * type_.id_digits}",
        Kind.DATE: "2025-10-23T00:00:00.000+08:00",
        Kind.BOOL: True,
        Kind.NUMBER: 4,
        Kind.HTML: "<p>seen &amp; noted</p>",
        Kind.CHOICE: "Goldstar",
    }
    for field in type_.fields:
        if field.kind is Kind.HASH:
            made[field.name] = hex64(field.name)
        elif field.kind is Kind.HASH_LIST:
            made[field.name] = [hex64(field.name + "1"), hex64(field.name + "2")]
        elif field.kind is Kind.FILES:
            made[field.name] = [media(field.name)]
        else:
            made[field.name] = samples.get(field.kind, f"text of {field.name}")
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}
