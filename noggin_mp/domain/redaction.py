"""Texts with their secrets taken out: passwords in DSNs and URLs, bearer tokens, known values."""

import re
from collections.abc import Iterable

MASK = "***"

_WORD = re.compile(r"[^\s'\"]+")
_USER = re.compile(r"://[^/@:]*:")
_PASSWORD = re.compile(
    r"\b(password|passwd|sslpassword)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&'\"]+)", re.I
)
_BEARER = re.compile(r"\b(bearer)\s+[A-Za-z0-9._~+/=-]{8,}", re.I)
_SECRET_NAME = re.compile(
    r"(^|[_.\- ])(token|authorization|password|passwd|secret|credential|api_?key"
    r"|webhook(_url)?)s?$",
    re.I,
)


def is_secret_name(name: str) -> bool:
    """True when a value under this key is never shown (`token`, `db_password`, `Authorization`)."""
    return _SECRET_NAME.search(name) is not None


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without passwords of DSNs and URLs, without bearer tokens and without `secrets`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    if "://" in text:
        text = _WORD.sub(_without_password, text)
    text = _PASSWORD.sub(rf"\1\2{MASK}", text)
    return _BEARER.sub(rf"\1 {MASK}", text)


def _without_password(found: re.Match[str]) -> str:
    """A word that may be a URL; each character is looked at a few times, however long it is."""
    word = found[0]
    user = _USER.search(word)
    # Up to the last @: an unescaped @ or / in a password must not let its tail through.
    end = word.rfind("@")
    return f"{word[: user.end()]}{MASK}{word[end:]}" if user and end >= user.end() else word
