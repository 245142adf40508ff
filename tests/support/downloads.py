"""One attachment as the tests of the gateway download it, and what lies in a folder afterwards."""

from pathlib import Path

from noggin_mp.gateway import http, media
from tests.support import gateway

JPEG = gateway.jpeg(300_000)
PATH = "/media/file?ns=acme&tip=a1"


def download(client: http.Client, folder: Path, **overrides: object) -> media.Downloaded:
    """The attachment a1, as photo_001."""
    arguments: dict[str, object] = {
        "url_or_path": PATH,
        "tip": "a1",
        "folder": folder,
        "stem": "LCD - 000001_20251023_photo_001",
        "token": 77,
    }
    return media.download(client, **(arguments | overrides))  # type: ignore[arg-type]


def names(folder: Path) -> list[str]:
    """What lies in `folder`, hidden files included."""
    return sorted(entry.name for entry in folder.iterdir())
