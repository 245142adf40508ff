"""Safe names for files and folders: what any text may become as one component of a path."""

import hashlib
import re
import unicodedata

MAX_BYTES = 255
"""Source: NAME_MAX of Linux file systems; counted in UTF-8."""
ROOM_BYTES = 55
"""Left free for an extension and for a temporary file's `.`, `.<19 digits>.tmp` around the name."""
LIMIT_BYTES = MAX_BYTES - ROOM_BYTES

_PLAIN = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_() ~,=+.-]*(?<![ .])")
_FORBIDDEN = frozenset('<>:"|?*/\\')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)", re.IGNORECASE)
"""Source: names Windows keeps for devices, with any extension; outputs are read over shares."""


def safe(text: str, *, limit: int = LIMIT_BYTES) -> str:
    """`text` as one path component of at most `limit` bytes (at least 40), the same one every time.

    A name that had to be altered gets ` ~` and 8 hex of the text's digest, so that two texts that
    differ stay different. safe(safe(x)) == safe(x). Unicode is composed (NFC), which is not
    counted as an alteration. The result never ends in `.tmp`, which marks partial files.
    """
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    name = composed
    if not (_PLAIN.fullmatch(name) and len(name) <= limit):
        name = "".join(char if _allowed(char) else "_" for char in composed).strip()
        name = name.rstrip(". ")
    if name.startswith("."):
        name = "_" + name.lstrip(".")
    stem = name.partition(".")[0].rstrip()
    if _RESERVED.fullmatch(stem):
        name = f"_{name}"
    if name.casefold().endswith(".tmp"):
        name = f"{name[:-4]}_tmp"
    if name and name == composed and _bytes(name) <= limit:
        return name
    mark = f" ~{digest(composed, chars=8)}"
    return cut(name or "_", limit - len(mark)) + mark


def cut(text: str, limit: int) -> str:
    """The longest start of `text` that fits `limit` bytes of UTF-8 and ends in no space or dot."""
    if _bytes(text) > limit:
        text = text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")
        text = unicodedata.normalize("NFC", text)
    return text.rstrip(". ") or "_"


def digest(text: str, *, chars: int) -> str:
    """The first `chars` hex characters of the text's sha256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:chars]


def _allowed(char: str) -> bool:
    if char in _FORBIDDEN:
        return False
    return char == " " or unicodedata.category(char)[0] not in "CZ"


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
