"""Photos made to measure: valid JPEG and PNG files of any size, without an image library.

The picture is small; the wanted size comes from application segments (JPEG) or private ancillary
chunks (PNG), cut from blocks that are built once. So a file of ten megabytes costs a few
microseconds and no memory, and anyone can rebuild it byte by byte from its TIP.
Source: ITU-T T.81 (JPEG baseline), W3C PNG specification.
"""

import functools
import hashlib
import random
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

MIN_BYTES = 1024
PNG_SHARE = 15  # percent
_PATTERNS = 64
_BLOCKS_WIDE, _BLOCKS_HIGH = 8, 6
_BODY = 65533  # the most a JPEG segment can hold
_SEGMENTS = 64
_COMMENT, _APPLICATION = 0xFE, 0xEF
_PRIVATE = b"npAd"  # ancillary, private, safe to copy
Piece = bytes | memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One media file: its type, its size, and its bytes in pieces that share memory."""

    tip: str
    content_type: str
    size_bytes: int
    number: int

    def pieces(self) -> list[Piece]:
        """The file's bytes, in order; together exactly `size_bytes`."""
        build = _png if self.content_type == "image/png" else _jpeg
        return build(self.tip.encode(), self.size_bytes, self.number)

    def content(self) -> bytes:
        """The whole file."""
        return b"".join(self.pieces())

    def sha256(self) -> str:
        """The hex digest of the whole file."""
        digest = hashlib.sha256()
        for piece in self.pieces():
            digest.update(piece)
        return digest.hexdigest()


def photo(tip: str, number: int, *, low: int, high: int) -> Photo:
    """The file of an attachment TIP; `number` (64 bits of the seed) decides size and type."""
    is_png = (number >> 40) % 100 < PNG_SHARE
    return Photo(
        tip=tip,
        content_type="image/png" if is_png else "image/jpeg",
        size_bytes=max(MIN_BYTES, low + number % (high - low + 1)),
        number=number,
    )


def _split(size: int, *, full: int, least: int) -> tuple[int, list[int]]:
    """How many full blocks, and which shorter ones (each at least `least`), add up to `size`."""
    count, rest = divmod(size, full)
    if 0 < rest < least:
        count, rest = count - 1, rest + full
    if rest > full:
        return count, [full // 2, rest - full // 2]
    return count, [rest] if rest else []


def _blocks(blob: memoryview, block: int, start: int, count: int) -> Iterable[memoryview]:
    """`count` blocks of `blob` in turn, from number `start`, in as few slices as can be."""
    while count > 0:
        taken = min(count, _SEGMENTS - start)
        yield blob[start * block : (start + taken) * block]
        count, start = count - taken, 0


@functools.cache
def _noise() -> memoryview:
    return memoryview(random.Random(20250101).randbytes(_SEGMENTS * _BODY))


# --- JPEG ---------------------------------------------------------------------------------------


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


@functools.cache
def _fillers() -> memoryview:
    head, noise = struct.pack(">BBH", 0xFF, _APPLICATION, _BODY + 2), _noise()
    return memoryview(
        b"".join(head + noise[at * _BODY : (at + 1) * _BODY] for at in range(_SEGMENTS))
    )


@functools.cache
def _jpeg_picture(pattern: int) -> bytes:
    """Tables, one baseline scan of grey blocks, and the end marker."""
    rng = random.Random(pattern)
    levels = [rng.randrange(-60, 60) for _ in range(_BLOCKS_WIDE * _BLOCKS_HIGH)]
    frame = struct.pack(">BHHBBBB", 8, _BLOCKS_HIGH * 8, _BLOCKS_WIDE * 8, 1, 1, 0x11, 0)
    dc_lengths = bytes([0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    ac_lengths = bytes([1] + [0] * 15)
    return b"".join(
        (
            _segment(0xDB, b"\x00" + bytes([16] * 64)),
            _segment(0xC0, frame),
            _segment(0xC4, b"\x00" + dc_lengths + bytes(range(12))),
            _segment(0xC4, b"\x10" + ac_lengths + b"\x00"),
            _segment(0xDA, bytes([1, 1, 0x00, 0, 63, 0])),
            _scan(levels),
            b"\xff\xd9",
        )
    )


_DC_CODES = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110")
_END_OF_BLOCK = "0"  # the only AC symbol of our table


def _scan(levels: list[int]) -> bytes:
    bits, before = [], 0
    for level in levels:
        step, before = level - before, level
        size = abs(step).bit_length()
        bits.append(_DC_CODES[size])
        if size:
            value = step if step > 0 else step + (1 << size) - 1
            bits.append(f"{value:0{size}b}")
        bits.append(_END_OF_BLOCK)
    stream = "".join(bits)
    stream += "1" * (-len(stream) % 8)
    raw = int(stream, 2).to_bytes(len(stream) // 8, "big")
    return raw.replace(b"\xff", b"\xff\x00")


_JPEG_HEAD = b"\xff\xd8" + _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")


def _jpeg(tip: bytes, size: int, number: int) -> list[Piece]:
    head = _JPEG_HEAD + _segment(_COMMENT, b"synthetic photo " + tip)
    tail = _jpeg_picture(number % _PATTERNS)
    count, shorter = _split(size - len(head) - len(tail), full=_BODY + 4, least=4)
    start = (number >> 8) % _SEGMENTS
    pieces: list[Piece] = [head, *_blocks(_fillers(), _BODY + 4, start, count)]
    for length in shorter:
        pieces.append(struct.pack(">BBH", 0xFF, _APPLICATION, length - 2))
        pieces.append(_noise()[start * 977 : start * 977 + length - 4])
    return [*pieces, tail]


# --- PNG ----------------------------------------------------------------------------------------


def _chunk(kind: bytes, body: bytes | memoryview) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)))


@functools.cache
def _private_chunks() -> memoryview:
    noise = _noise()
    return memoryview(
        b"".join(_chunk(_PRIVATE, noise[at * _BODY : (at + 1) * _BODY]) for at in range(_SEGMENTS))
    )


@functools.cache
def _png_picture(pattern: int) -> bytes:
    rng = random.Random(pattern)
    width, rows = _BLOCKS_WIDE * 8, []
    for _ in range(_BLOCKS_HIGH):
        row = b"".join(bytes([rng.randrange(256)]) * 8 for _ in range(_BLOCKS_WIDE))
        rows += [b"\x00" + row] * 8
    header = struct.pack(">IIBBBBB", width, len(rows), 8, 0, 0, 0, 0)
    return _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(b"".join(rows)))


_PNG_HEAD = b"\x89PNG\r\n\x1a\n"
_PNG_TAIL = _chunk(b"IEND", b"")


def _png(tip: bytes, size: int, number: int) -> list[Piece]:
    picture = _png_picture(number % _PATTERNS)
    head = _PNG_HEAD + picture + _chunk(b"tEXt", b"Comment\x00synthetic photo " + tip)
    count, shorter = _split(size - len(head) - len(_PNG_TAIL), full=_BODY + 12, least=12)
    start = (number >> 8) % _SEGMENTS
    pieces: list[Piece] = [head, *_blocks(_private_chunks(), _BODY + 12, start, count)]
    for length in shorter:
        pieces.append(_chunk(_PRIVATE, _noise()[start * 977 : start * 977 + length - 12]))
    return [*pieces, _PNG_TAIL]
