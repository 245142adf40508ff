"""What each fault makes of an honest answer. Pure: an answer and its scene in, an answer out."""

import functools
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from noggin_mp.simulator import answers, behaviour, data
from noggin_mp.simulator.answers import Answer, Ending

HTML = (
    b"<!DOCTYPE html><html><head><title>Service unavailable</title></head><body>"
    b"<h1>We are sorry</h1><p>The service is being maintained.</p></body></html>"
)
_OVERSIZE_BYTES = 21_000_000
_BOMB_BYTES = 128 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a fault may need to know besides the answer.

    `draw` is a uniform number of this request, `now` the wall clock in seconds, `retry_after` the
    header value a rule asks for (None: none).
    """

    target: str
    foreign: str
    conduct: behaviour.Behaviour
    draw: float
    now: float
    retry_after: str | None = None
    by_rule: bool = False


def distort(kind: str, answer: Answer, scene: Scene) -> Answer:
    """The answer under fault `kind`; the same object when the fault has nothing to bite on."""
    if kind == "429" or kind == "503-retry":
        return answers.whole(int(kind[:3]), extra=_retry_after(scene))
    if kind.isdigit():
        extra = _retry_after(scene) if scene.retry_after is not None else ""
        return answers.whole(int(kind), extra=extra)
    return _FAULTS[kind](answer, scene)


def _retry_after(scene: Scene) -> str:
    if scene.by_rule:
        value = scene.retry_after
        if value is not None and value.startswith("date:") and value[5:].isdigit():
            value = formatdate(scene.now + int(value[5:]), usegmt=True)
    else:
        seconds = int(scene.draw * 1e6) % (scene.conduct.retry_after_max_s + 1)
        styles = scene.conduct.retry_after
        match styles[int(scene.draw * 1e9) % len(styles)]:
            case "seconds":
                value = str(seconds)
            case "date":
                value = formatdate(scene.now + seconds, usegmt=True)
            case "nonsense":
                value = "in a while"
            case _:
                value = None
    return "" if value is None else f"Retry-After: {value}\r\n"


def _halved(answer: Answer, ending: Ending) -> Answer:
    return answer if answer.size < 2 else answer.but(sent=answer.size // 2, ending=ending)


def _long(answer: Answer, scene: Scene) -> Answer:
    return answer.but(declared=answer.size + 17, ending=Ending.CLOSE)


def _short(answer: Answer, scene: Scene) -> Answer:
    return answer if answer.size < 8 else answer.but(declared=answer.size - 7)


def _redirect(address: str) -> Answer:
    return answers.whole(302, extra=f"Location: {address}\r\n")


@functools.cache
def _bomb() -> bytes:
    """A valid gzip file of zeros: one packed mebibyte, repeated, so that making it is quick."""
    block = bytes(1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    count, checksum = _BOMB_BYTES >> 20, 0
    for _ in range(count):
        checksum = zlib.crc32(block, checksum)
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return head + once * count + packer.flush() + struct.pack("<II", checksum, _BOMB_BYTES)


def _gzip(answer: Answer, body: bytes) -> Answer:
    return answers.whole(
        200, body, content_type=answer.content_type, extra="Content-Encoding: gzip\r\n"
    )


def _lying_206(answer: Answer, scene: Scene) -> Answer:
    """The first half of the file, declared to be its second half."""
    if answer.size < 2:
        return answer
    half = answer.size // 2
    lie = f"Content-Range: bytes {answer.size - half}-{answer.size - 1}/{answer.size}\r\n"
    return answers.whole(
        206, answer.body()[:half], content_type=answer.content_type, extra=answer.extra + lie
    )


def _garbage_chunks(answer: Answer, scene: Scene) -> Answer:
    body = b"10\r\n" + answer.body()[:16].ljust(16) + b"\r\nZZ-not-a-size\r\ngarbage\r\n"
    made = answers.whole(200, body, content_type=answer.content_type, close=True)
    return made.but(declared=None, extra="Transfer-Encoding: chunked\r\n")


def _record_with(
    change: Callable[[dict[str, Any], Scene], Any],
) -> Callable[[Answer, Scene], Answer]:
    """A fault that edits the JSON of a record; other answers stay as they are."""

    def apply(answer: Answer, scene: Scene) -> Answer:
        if answer.status != 200 or answer.content_type != "application/json":
            return answer
        payload = json.loads(answer.body())
        changed = change(payload, scene)
        return answer if changed is None else answers.record(data.encode(changed))

    return apply


def _nul(payload: dict[str, Any], scene: Scene) -> Any:
    for name, value in payload.items():
        if isinstance(value, str) and name != "date" and not name.endswith("Id"):
            return payload | {name: value + "\x00"}
    return payload | {"comments": "\x00"}


def _wrong_tip(payload: dict[str, Any], scene: Scene) -> Any:
    meta = payload["$meta"]
    return payload | {"$meta": meta | {"tip": meta["tip"][::-1]}}


def _lists(payload: dict[str, Any]) -> list[str]:
    return [
        name
        for name, value in payload.items()
        if isinstance(value, list) and value and "/media/file?" in value[0]
    ]


def _duplicate(payload: dict[str, Any], scene: Scene) -> Any:
    names = _lists(payload)
    return payload | {names[0]: [*payload[names[0]], payload[names[0]][0]]} if names else None


def _foreign(payload: dict[str, Any], scene: Scene) -> Any:
    names = _lists(payload)
    url = f"{scene.foreign}/foreign/file?tip={payload['$meta']['tip'][::-1]}"
    return payload | {names[0]: [*payload[names[0]], url]} if names else None


def _oversize(payload: dict[str, Any], scene: Scene) -> Any:
    return payload | {"comments": "x" * _OVERSIZE_BYTES}


_FAULTS: dict[str, Callable[[Answer, Scene], Answer]] = {
    "stall": lambda answer, scene: answer.but(silent=True, ending=Ending.HANG),
    "stall-body": lambda answer, scene: _halved(answer, Ending.HANG),
    "truncate": lambda answer, scene: _halved(answer, Ending.CLOSE),
    "wronglength": _long,
    "shortlength": _short,
    "nolength": lambda answer, scene: answer.but(declared=None, ending=Ending.CLOSE),
    "html": lambda answer, scene: answers.whole(200, HTML, content_type="text/html"),
    "empty": lambda answer, scene: answers.whole(200),
    "zero": lambda answer, scene: answers.whole(200, content_type=answer.content_type),
    "drip": lambda answer, scene: answer.but(rate=max(1, scene.conduct.drip_bytes_per_s)),
    "reset": lambda answer, scene: answer.but(silent=True, ending=Ending.RESET),
    "reset-body": lambda answer, scene: _halved(answer, Ending.RESET),
    "nul": _record_with(_nul),
    "wrongtip": _record_with(_wrong_tip),
    "array": _record_with(lambda payload, scene: [payload]),
    "oversize": _record_with(_oversize),
    "duplicate": _record_with(_duplicate),
    "foreign": _record_with(_foreign),
    "redirect-self": lambda answer, scene: _redirect(scene.target),
    "redirect-other": lambda answer, scene: _redirect(f"{scene.foreign}/foreign{scene.target}"),
    "gzipbomb": lambda answer, scene: _gzip(answer, _bomb()),
    "brokengzip": lambda answer, scene: _gzip(answer, b"\x1f\x8b\x08\x00" + bytes(range(200))),
    "lying206": _lying_206,
    "chunkedgarbage": _garbage_chunks,
    "hugeheader": lambda answer, scene: answer.but(extra=f"X-Huge: {'h' * 200_000}\r\n"),
}
