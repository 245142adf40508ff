"""Identifiers that carry their own meaning: 64 hex characters that decode to what they name.

A TIP holds its (space, type, index, sequence) masked by a keyed hash, and that hash. So a million
TIPs need no table: whoever knows the seed can tell what a TIP names, and that it is genuine.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

_FIELDS = struct.Struct(">BBIH")
_TAG_BYTES = 24
_SPREAD = 0x9E3779B97F4A7C15  # odd: the mask must not look like the tag it comes from
_LOW_64 = (1 << 64) - 1


class Space(IntEnum):
    """What an identifier names."""

    RECORD = 1
    ATTACHMENT = 2
    ENTITY = 3
    META = 4


@dataclass(frozen=True, slots=True)
class Name:
    """The decoded identifier: for an attachment, `sequence` is its number within the record."""

    space: int
    kind: int
    index: int
    sequence: int


class Ids:
    """Encodes and decodes identifiers under one seed."""

    __slots__ = ("_key",)

    def __init__(self, seed: int) -> None:
        self._key = hashlib.blake2b(b"noggin-simulator:%d" % seed, digest_size=32).digest()

    def encode(self, space: int, kind: int, index: int, sequence: int = 0) -> str:
        """The 64 lower-case hex characters that name this."""
        plain = _FIELDS.pack(space, kind, index, sequence)
        tag = self._tag(plain)
        return (self._mask(plain, tag) + tag).hex()

    def decode(self, text: str) -> Name | None:
        """What `text` names, or None when this seed never made it."""
        if len(text) != 2 * (_FIELDS.size + _TAG_BYTES):
            return None
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            return None
        if raw.hex() != text:  # upper case or inner blanks: another string, so another TIP
            return None
        tag = raw[_FIELDS.size :]
        plain = self._mask(raw[: _FIELDS.size], tag)
        return Name(*_FIELDS.unpack(plain)) if self._tag(plain) == tag else None

    def number(self, *parts: object) -> int:
        """A 64-bit number that only the seed and `parts` decide."""
        text = ":".join(map(str, parts)).encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=self._key).digest(), "big")

    def _tag(self, plain: bytes) -> bytes:
        return hashlib.blake2b(plain, digest_size=_TAG_BYTES, key=self._key).digest()

    @staticmethod
    def _mask(plain: bytes, tag: bytes) -> bytes:
        mask = int.from_bytes(tag[: _FIELDS.size], "big") * _SPREAD & _LOW_64
        return (int.from_bytes(plain, "big") ^ mask).to_bytes(_FIELDS.size, "big")
