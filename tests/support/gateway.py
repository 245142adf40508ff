"""What the gateway's tests share: made-up credentials, short patience, small real files."""

import json
import struct
import zlib
from typing import Any

from noggin_mp.gateway import http, objects

TOKEN = "s3cret-token-0123456789abcdef"
NAMESPACE = "acme"
TIP = "ab" * 32
SHORT = http.Timeouts(
    connect_s=2.0, read_s=0.3, deadline_s=1.0, min_rate_bytes_s=1000, rate_window_s=0.2
)
PATIENT = http.Timeouts(
    connect_s=60.0, read_s=60.0, deadline_s=120.0, min_rate_bytes_s=1, rate_window_s=60.0
)
"""For tests that mean no timeout: the server's thread may not be scheduled for some seconds."""


def jpeg(size: int = 2000) -> bytes:
    """Bytes that begin and end like a JPEG, `size` in all."""
    return b"\xff\xd8\xff\xe0" + bytes(index % 251 for index in range(size - 6)) + b"\xff\xd9"


def png(size: int = 16) -> bytes:
    """A real PNG, `size` pixels square."""
    rows = b"".join(b"\0" + bytes(3 * size) for _ in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def record(**fields: Any) -> bytes:
    """The JSON of a small object with the right tip."""
    return json.dumps({"$meta": {"tip": TIP}, "lcdInspectionId": "LCD - 000001"} | fields).encode()


def fetch(client: http.Client, **overrides: int) -> objects.Fetched:
    """The object of the shared TIP."""
    return objects.fetch(client, endpoint="loadCompliance", tip=TIP, **overrides)
