"""Files told by their first bytes."""

import pytest

from noggin_mp.gateway import content, reasons
from tests.support import gateway

FTYP = b"\0\0\0\x18ftyp"


@pytest.mark.parametrize(
    ("extension", "head"),
    [
        (".jpg", gateway.jpeg(100)),
        (".png", gateway.png()),
        (".gif", b"GIF89a" + bytes(20)),
        (".webp", b"RIFF\x10\0\0\0WEBPVP8 "),
        (".heic", FTYP + b"heic" + bytes(8)),
        (".heif", FTYP + b"mif1" + bytes(8)),
        (".avif", FTYP + b"avif" + bytes(8)),
        (".mov", FTYP + b"qt  " + bytes(8)),
        (".mp4", FTYP + b"isom" + bytes(8)),
        (".tif", b"II*\0" + bytes(8)),
        (".tif", b"MM\0*" + bytes(8)),
        (".bmp", b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0" + bytes(8)),
        (".pdf", b"%PDF-1.7\n"),
        (".pdf", b"\xef\xbb\xbf\n%PDF-1.4\n"),
    ],
)
def test_identify_names_the_extension_when_the_magic_fits(extension: str, head: bytes) -> None:
    assert extension == content.identify(head).extension


@pytest.mark.parametrize(
    ("reason", "head"),
    [
        ("empty", b""),
        ("html", b"<!DOCTYPE html><html>"),
        ("html", b"\xef\xbb\xbf \r\n<Error><Code>NoSuchKey</Code></Error>"),
        ("json", b'  {"error": "nope"}'),
        ("json", b"[]"),
        ("unknown_content", b"BMW is no bitmap, whatever it begins with"),
        ("unknown_content", b"MZ\x90\0"),
        ("unknown_content", b"PK\x03\x04"),
        ("unknown_content", b"RIFF\x10\0\0\0WAVEfmt "),
        ("unknown_content", FTYP + b"zzzz"),
        ("unknown_content", b"\xff"),
    ],
)
def test_identify_refuses_when_the_content_is_no_allowed_file(reason: str, head: bytes) -> None:
    with pytest.raises(reasons.Broken) as caught:
        content.identify(head)
    assert reason == caught.value.reason


def test_identify_refuses_when_the_type_is_not_among_the_allowed() -> None:
    with pytest.raises(reasons.Broken) as caught:
        content.identify(b"%PDF-1.7", allowed=frozenset({"jpeg"}))
    assert caught.value.reason == "unknown_content"


@pytest.mark.parametrize(
    ("expected", "whole"),
    [
        (True, gateway.jpeg()),
        (False, gateway.jpeg()[:-1]),
        (True, gateway.png()),
        (False, gateway.png()[:-1]),
        (True, b"%PDF-1.7\n...\n%%EOF\n"),
        (False, b"%PDF-1.7\n..."),
        (True, b"RIFF\x08\0\0\0WEBPVP8 "),
        (False, b"RIFF\x09\0\0\0WEBPVP8 "),
        (False, b"GIF89a" + bytes(10) + b";"),
    ],
)
def test_is_complete_believes_only_an_end_mark_when_http_names_no_length(
    expected: bool, whole: bytes
) -> None:
    found = content.identify(whole[:1024])
    assert expected is content.is_complete(
        found, head=whole[:1024], tail=whole[-1024:], size_bytes=len(whole)
    )


def test_reasons_are_all_known_when_a_status_is_anything() -> None:
    assert {reasons.for_status(status) for status in range(100, 1000)} <= reasons.REASONS
