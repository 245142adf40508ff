"""Noggin objects: one GET, one JSON object, or a typed reason why not."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from noggin_mp.domain import outcome
from noggin_mp.gateway import body, exchanges, http, reasons, urls

MAX_BYTES = 20_000_000
_BOM = b"\xef\xbb\xbf"
_HOSTILE_ESCAPE = re.compile(rb"\\u(0000|[dD][89a-fA-F])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """An attempt to get an object; `body` and `raw` are there when it succeeded.

    `raw` is the JSON text as sent (UTF-8, decoded from any content encoding).
    """

    attempt: outcome.Attempt
    body: dict[str, Any] | None = None
    raw: bytes = b""


def fetch(
    client: http.Client,
    *,
    endpoint: str,
    tip: str,
    cancelled: Callable[[], bool] = http.never,
    resend: Callable[[float], bool] = http.always,
    max_bytes: int = MAX_BYTES,
) -> Fetched:
    """The object `tip` of the type behind `endpoint`, by one attempt; see `Client.exchange`.

    Raises: http.Cancelled, errors.CredentialsError, errors.LocalTrouble; remote trouble is a value.
    """
    target = urls.object_url(client.base, endpoint=endpoint, tip=tip)
    exchange = client.exchange(outcome.Role.API, cancelled=cancelled, resend=resend)
    try:
        with exchange:
            exchange.open(target, accept="application/json")
            raw = read(exchange, max_bytes)
        parsed = parse(raw, tip=tip)
    except reasons.Broken as broken:
        return Fetched(attempt=exchange.failed(broken))
    return Fetched(attempt=exchange.succeeded(), body=parsed, raw=raw)


def read(exchange: exchanges.Exchange, max_bytes: int = MAX_BYTES) -> bytes:
    """The whole body of an opened exchange. Raises: reasons.Broken (too large, truncated...)."""
    if exchange.length is not None and exchange.length > max_bytes:
        raise _too_large(max_bytes)
    whole = bytearray()
    for piece in body.chunks(exchange):
        whole += piece
        if len(whole) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(whole)


def _too_large(max_bytes: int) -> reasons.Broken:
    return reasons.bad_content("too_large", f"the object is over the cap of {max_bytes} bytes")


def parse(raw: bytes, *, tip: str) -> dict[str, Any]:
    """The JSON object in `raw`, checked to be storable and to belong to `tip`.

    Raises: reasons.Broken.
    """
    text = raw.removeprefix(_BOM).strip()
    if not text:
        raise reasons.bad_content("empty")
    if text.startswith(b"<"):
        raise reasons.bad_content("html")
    if b"\0" in text:
        raise reasons.bad_content("nul")
    try:
        value = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} of the body is not UTF-8"
        raise reasons.bad_content("bad_utf8", detail) from None
    except json.JSONDecodeError as error:
        detail = f"the body is not JSON: {error.msg} at character {error.pos}"
        raise reasons.bad_content("bad_json", detail) from None
    except (ValueError, RecursionError):
        raise reasons.bad_content("bad_json", "the JSON holds what no database can") from None
    if not isinstance(value, dict):
        raise reasons.bad_content("not_object")
    if _HOSTILE_ESCAPE.search(text) and not _storable(value):
        raise reasons.bad_content("nul")
    meta = value.get("$meta")
    found = meta.get("tip") if isinstance(meta, dict) else None
    if found is not None and found != tip:
        raise reasons.bad_content("wrong_tip", f"asked for {tip}, got another TIP's object")
    return value


def _storable(value: object) -> bool:
    """False for text that Postgres's jsonb refuses: NUL, or half of a surrogate pair."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo += item.keys()
            todo += item.values()
        elif isinstance(item, list):
            todo += item
        elif isinstance(item, str) and ("\0" in item or _has_surrogate(item)):
            return False
    return True


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is out of range")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
