"""What a file really is, by its first bytes, and whether its last bytes prove it complete."""

from dataclasses import dataclass

from noggin_mp.gateway import reasons

HEAD_BYTES = 1024
TAIL_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FileType:
    """A kind of file: its key in the allowed set, its extension and its MIME type."""

    name: str
    extension: str
    mime: str


def _type(name: str, mime: str, extension: str = "") -> FileType:
    return FileType(name=name, extension=extension or f".{name}", mime=mime)


_TYPES = {
    found.name: found
    for found in (
        _type("jpeg", "image/jpeg", ".jpg"),
        _type("png", "image/png"),
        _type("gif", "image/gif"),
        _type("webp", "image/webp"),
        _type("heic", "image/heic"),
        _type("heif", "image/heif"),
        _type("avif", "image/avif"),
        _type("tiff", "image/tiff", ".tif"),
        _type("bmp", "image/bmp"),
        _type("pdf", "application/pdf"),
        _type("mp4", "video/mp4"),
        _type("mov", "video/quicktime"),
    )
}
ALLOWED = frozenset(_TYPES)
"""Every type we know; the default of what may be saved."""

_PREFIXES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
)
# Source: ISO/IEC 14496-12 (file type box), 23008-12 (HEIF brands), Apple's QuickTime format.
_BRANDS = {
    "heic": {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"},
    "heif": {b"mif1", b"mif2", b"msf1"},
    "avif": {b"avif", b"avis"},
    "mov": {b"qt  "},
}
_MP4_STARTS = (b"isom", b"iso", b"mp4", b"avc1", b"M4V", b"3gp", b"3g2", b"MSNV", b"dash")
_PNG_END = b"IEND\xaeB`\x82"


def identify(head: bytes, *, allowed: frozenset[str] = ALLOWED) -> FileType:
    """The type of a file that begins with `head` (1 KiB, or the whole file when it is shorter).

    Raises: reasons.Broken (`empty`, `html`, `json`, `unknown_content`).
    """
    if not head:
        raise reasons.bad_content("empty")
    name = _by_magic(head)
    if name is not None and name in allowed:
        return _TYPES[name]
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if name is None and start == b"<":
        raise reasons.bad_content("html", "HTML or XML where a file was expected")
    if name is None and start in (b"{", b"["):
        raise reasons.bad_content("json", "JSON where a file was expected")
    what = f"{name} files are not allowed" if name else "the first bytes fit no allowed file type"
    raise reasons.bad_content("unknown_content", what)


def _by_magic(head: bytes) -> str | None:
    for prefix, name in _PREFIXES:
        if head.startswith(prefix):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _by_brand(head[8:12])
    # two letters prove nothing: the reserved words must be zero, and a header size must follow
    if head[:2] == b"BM" and head[6:10] == bytes(4) and head[14:18] in _BMP_HEADERS:
        return "bmp"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"%PDF-"):
        return "pdf"
    return None


_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}


def _by_brand(brand: bytes) -> str | None:
    for name, brands in _BRANDS.items():
        if brand in brands:
            return name
    return "mp4" if brand.startswith(_MP4_STARTS) else None


def is_complete(found: FileType, *, head: bytes, tail: bytes, size_bytes: int) -> bool:
    """True when the content itself shows its end; needed where HTTP does not.

    `tail` is the file's last 1 KiB. Types that carry no end mark are never proved.
    """
    if found.name == "jpeg":
        return tail.endswith(b"\xff\xd9")
    if found.name == "png":
        return tail.endswith(_PNG_END)
    if found.name == "pdf":
        return b"%%EOF" in tail
    if found.name == "webp":
        return size_bytes == int.from_bytes(head[4:8], "little") + 8
    return False
