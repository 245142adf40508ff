"""Photos: sizes to the byte, and files that a strict reader accepts."""

import random
import struct
import zlib

import pytest

from noggin_mp.simulator import media

SIZES = [1024, 1025, 1500, 20_001, 65_537, 66_400, 66_401, 66_402, 66_403, 131_500, 700_000]


def photo(content_type: str, size: int, number: int) -> media.Photo:
    return media.Photo(tip="ab" * 32, content_type=content_type, size_bytes=size, number=number)


@pytest.mark.parametrize("size", SIZES)
def test_jpeg_is_valid_to_the_last_bit_at_any_size(size: int) -> None:
    for number in (0, 1, 2**63 + 12345):
        content = photo("image/jpeg", size, number).content()
        assert len(content) == size
        _walk_jpeg(content)


@pytest.mark.parametrize("size", SIZES)
def test_png_is_valid_to_the_last_checksum_at_any_size(size: int) -> None:
    for number in (0, 1, 2**63 + 12345):
        content = photo("image/png", size, number).content()
        assert len(content) == size
        _walk_png(content)


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png"])
def test_photo_has_its_exact_size_around_every_segment_boundary(content_type: str) -> None:
    walk = _walk_png if content_type == "image/png" else _walk_jpeg
    for size in [*range(66_000, 66_700, 7), *range(131_500, 131_800, 5)]:
        content = photo(content_type, size, size).content()
        assert len(content) == size
        walk(content)


def test_photo_differs_by_tip_and_repeats_by_tip() -> None:
    one, two = (media.photo(tip * 64, 99, low=5000, high=9000) for tip in "ab")
    again = media.photo("a" * 64, 99, low=5000, high=9000)
    assert one.content() != two.content()
    assert one.content() == again.content()
    assert one.sha256() != two.sha256()


def test_photo_sizes_keep_to_the_range_and_both_types_occur() -> None:
    rng = random.Random(4)
    made = [media.photo("t", rng.getrandbits(64), low=20_000, high=20_010) for _ in range(400)]
    assert {file.size_bytes for file in made} == set(range(20_000, 20_011))
    assert {file.content_type for file in made} == {"image/jpeg", "image/png"}


def _walk_jpeg(content: bytes) -> None:
    """Every segment, every Huffman code of the scan, and nothing behind the end marker."""
    assert content[:2] == b"\xff\xd8"
    at, tables, frame = 2, {}, None
    while True:
        assert content[at] == 0xFF
        marker, length = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])[0]
        assert length >= 2
        body = content[at + 4 : at + 2 + length]
        assert len(body) == length - 2
        at += 2 + length
        if marker == 0xDB:
            assert len(body) == 65
            assert 0 not in body[1:]
        elif marker == 0xC0:
            frame = struct.unpack(">BHHB", body[:6])
        elif marker == 0xC4:
            tables[body[0]] = _codes(body[1:17], body[17:])
        elif marker == 0xDA:
            break
        else:
            assert marker in (0xE0, 0xEF, 0xFE)
    assert frame is not None
    assert content[-2:] == b"\xff\xd9"
    scan = content[at:-2]
    assert b"\xff" not in scan.replace(b"\xff\x00", b"")
    _decode_scan(scan.replace(b"\xff\x00", b"\xff"), tables, blocks=frame[1] * frame[2] // 64)


def _codes(lengths: bytes, symbols: bytes) -> dict[str, int]:
    codes, code, at = {}, 0, 0
    for size, count in enumerate(lengths, start=1):
        for _ in range(count):
            codes[f"{code:0{size}b}"] = symbols[at]
            code, at = code + 1, at + 1
        code <<= 1
    assert at == len(symbols)
    return codes


def _decode_scan(scan: bytes, tables: dict[int, dict[str, int]], *, blocks: int) -> None:
    bits = "".join(f"{byte:08b}" for byte in scan)
    at, level = 0, 0
    for _ in range(blocks):
        size, at = _symbol(bits, at, tables[0x00])
        if size:
            value = int(bits[at : at + size], 2)
            level += value if bits[at] == "1" else value - (1 << size) + 1
            at += size
        assert -1024 <= level * 16 // 8 <= 1023
        end, at = _symbol(bits, at, tables[0x10])
        assert end == 0
    assert len(bits) - at < 8
    assert set(bits[at:]) <= {"1"}


def _symbol(bits: str, at: int, table: dict[str, int]) -> tuple[int, int]:
    for size in range(1, 17):
        if bits[at : at + size] in table:
            return table[bits[at : at + size]], at + size
    raise AssertionError("no such code in the scan")


def _walk_png(content: bytes) -> None:
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, []
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", content[at + 8 + length : at + 12 + length])
        assert zlib.crc32(kind + body) == checksum
        chunks.append((kind, body))
        at += 12 + length
    assert chunks[0][0] == b"IHDR"
    assert chunks[-1] == (b"IEND", b"")
    assert {kind for kind, _ in chunks} <= {b"IHDR", b"IDAT", b"tEXt", b"npAd", b"IEND"}
    width, height, depth, colour = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, colour) == (8, 0)
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    assert len(pixels) == height * (width + 1)
