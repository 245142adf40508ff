"""The faults the simulator can play, and the mixes and rules that say when it plays them."""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from noggin_mp.domain import errors

API, MEDIA = "api", "media"
KINDS: dict[str, str] = {
    "429": "429 with a Retry-After of the configured styles, or without one",
    "503-retry": "503 with a Retry-After",
    "stall": "no answer at all; the connection stays open",
    "stall-body": "headers and half of the body, then nothing; the connection stays open",
    "truncate": "half of the body, then the connection closes",
    "wronglength": "the whole body under a Content-Length that is 17 too long, then it closes",
    "shortlength": "a Content-Length 7 too short; the rest follows on the kept connection",
    "nolength": "the whole body without Content-Length, ended by closing",
    "html": "200 with an HTML page",
    "empty": "200 with an empty body and no type",
    "zero": "200 with a file of 0 bytes and the right type",
    "drip": "the right answer, a few bytes at a time",
    "reset": "a TCP reset instead of an answer",
    "reset-body": "headers and half of the body, then a TCP reset",
    "nul": "a record whose text holds a NUL (records only)",
    "wrongtip": "a record whose $meta names another TIP (records only)",
    "array": "a JSON array in place of the object (records only)",
    "oversize": "a JSON object of 21 MB (records only)",
    "duplicate": "a record that lists its first attachment twice (records only)",
    "foreign": "a record that lists one more file, at another origin (records only)",
    "redirect-self": "302 to the same address",
    "redirect-other": "302 to another origin, which answers 200 and notes whether a token came",
    "gzipbomb": "a small gzip body that unpacks to 128 MiB",
    "brokengzip": "a body that says gzip and is not",
    "lying206": "206 with a Content-Range that is not what the body holds",
    "chunkedgarbage": "chunked transfer with a broken chunk size",
    "hugeheader": "a header of 200 kB",
}
RECORDS_ONLY = frozenset({"nul", "wrongtip", "array", "oversize", "duplicate", "foreign"})
HARMLESS = frozenset({"duplicate", "foreign"})  # the answer is usable: no budget is spent
ALIASES = {
    "hang": "stall",
    "slow": "drip",
    "duplicate-urls": "duplicate",
    "foreign-url": "foreign",
    "retry-after": "503-retry",
    "fraction": "503",
}
_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*(%?)")


def kind(text: str, *, where: str) -> str:
    """The fault that `text` names; status codes 400-599 are faults too.

    Raises: UsageError, with the nearest name.
    """
    name = text.strip().lower().replace("_", "-")
    name = ALIASES.get(name, name)
    if name in KINDS or (name.isdigit() and 400 <= int(name) <= 599):
        return name
    close = difflib.get_close_matches(name, [*KINDS, *ALIASES], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "give a status 400-599 or one of: "
    raise errors.UsageError(
        f"{where}: unknown fault {text!r}", remedy=hint + ("" if close else ", ".join(KINDS))
    )


def share(text: str, *, where: str) -> float:
    """A share between 0 and 1, from `5%` or `0.05`. Raises: UsageError."""
    match = _SHARE.fullmatch(text.strip())
    value = float(match[1]) / (100 if match[2] else 1) if match else -1.0
    if not 0 <= value <= 1:
        raise errors.UsageError(
            f"{where}: {text!r} is not a share", remedy="write it as 5% or as 0.05"
        )
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How often which fault happens, for each role; `text` is how it was asked for."""

    text: str = ""
    api: tuple[tuple[float, str], ...] = ()
    media: tuple[tuple[float, str], ...] = ()

    def draw(self, role: str, number: float) -> str:
        """The fault for a uniform `number` in [0, 1), or an empty string."""
        for limit, name in self.media if role == MEDIA else self.api:
            if number < limit:
                return name
        return ""


def parse(text: str, *, where: str = "--faults") -> Mix:
    """The mix written as `429=5%,500=3%,media.truncate=1%`; a role limits a fault to it.

    Raises: UsageError naming the part that is wrong.
    """
    sums = {API: 0.0, MEDIA: 0.0}
    limits: dict[str, list[tuple[float, str]]] = {API: [], MEDIA: []}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, amount = part.partition("=")
        if not equals:
            raise errors.UsageError(f"{where}: {part!r} has no share", remedy=f"write {part}=1%")
        role, dot, bare = name.strip().partition(".")
        if dot and role not in limits:
            raise errors.UsageError(f"{where}: unknown role {role!r}", remedy="use api or media")
        name = kind(bare if dot else name, where=where)
        if name in RECORDS_ONLY and role == MEDIA:
            raise errors.UsageError(f"{where}: {name!r} concerns records", remedy=f"use api.{name}")
        value = share(amount, where=where)
        for target in [role] if dot else [API] if name in RECORDS_ONLY else [API, MEDIA]:
            sums[target] += value
            limits[target].append((sums[target], name))
    for target, total in sums.items():
        if total > 1 + 1e-9:
            raise errors.UsageError(
                f"{where}: the faults for {target} add up to {total:.0%}",
                remedy="keep each role's sum at 100% or below",
            )
    return Mix(text=text.strip(), api=tuple(limits[API]), media=tuple(limits[MEDIA]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A mode in force: every matching request gets `mode`, or a `fraction` of them does.

    Empty conditions match everything. `retry_after` is the header's value: seconds, `date:N` for
    an HTTP date N seconds ahead, any other text as it is; None sends no such header.
    """

    mode: str
    fraction: float = 1.0
    user_agent: str = ""
    role: str = ""
    path: str = ""
    tip: str = ""
    retry_after: str | None = None

    def matches(self, *, role: str, path: str, tip: str, user_agent: str) -> bool:
        """True when the request is one this rule speaks of."""
        return (
            (not self.role or self.role == role)
            and (not self.tip or self.tip == tip)
            and (not self.path or self.path in path)
            and (not self.user_agent or self.user_agent in user_agent)
        )

    def as_json(self) -> dict[str, Any]:
        """The rule as the control address takes and shows it."""
        conditions = {
            name: getattr(self, name)
            for name in ("user_agent", "role", "path", "tip")
            if getattr(self, name)
        }
        shown: dict[str, Any] = {"mode": self.mode, "fraction": self.fraction}
        if conditions:
            shown["match"] = conditions
        if self.retry_after is not None:
            shown["retry_after"] = self.retry_after
        return shown


def rule(raw: dict[str, Any], *, where: str = "mode") -> Rule | None:
    """The rule in `raw` (mode, fraction, match, retry_after); None for mode `ok`.

    Raises: UsageError.
    """
    mode = str(raw.get("mode", "ok")).strip().lower()
    match = raw.get("match") or {}
    if not isinstance(match, dict) or set(match) - {"user_agent", "role", "path", "tip"}:
        raise errors.UsageError(
            f"{where}: cannot match on {match!r}", remedy="use user_agent, role, path, tip"
        )
    if match.get("role") not in (None, "", API, MEDIA):
        raise errors.UsageError(
            f"{where}: unknown role {match['role']!r}", remedy="use api or media"
        )
    if mode == "ok":
        return None
    fraction = share(str(raw.get("fraction", 1)), where=f"{where}.fraction")
    value = raw.get("retry_after")
    if value is not None and not str(value).isprintable():
        raise errors.UsageError(f"{where}.retry_after: {value!r} cannot stand in a header")
    return Rule(
        mode=kind(mode, where=where),
        fraction=fraction,
        retry_after=None if value is None else str(value),
        **{name: str(text) for name, text in match.items()},
    )
