"""How the simulator behaves right now: one frozen value that every process holds a copy of."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

from noggin_mp.domain import errors
from noggin_mp.simulator import faults

STYLES = ("seconds", "date", "nonsense", "none")
_LATENCY = re.compile(r"(\d+(?:\.\d+)?)(?:\s*-\s*(\d+(?:\.\d+)?))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Credentials, latency, fault mix and rules.

    `rules` come before everything, credentials included; then 401 and 403; then the mix, of which
    one record and its files together meet at most `max_faults_per_tip` (0 = no limit).
    """

    token: str
    namespace: str
    latency_ms: tuple[float, float] = (0.0, 0.0)
    mix: faults.Mix = dataclasses.field(default_factory=faults.Mix)
    rules: tuple[faults.Rule, ...] = ()
    retry_after: tuple[str, ...] = STYLES
    retry_after_max_s: int = 5
    drip_bytes_per_s: int = 256
    stall_s: float = 600.0
    max_faults_per_tip: int = 3

    def as_json(self) -> dict[str, Any]:
        """What the control address shows, and what `changed` accepts."""
        low, high = self.latency_ms
        shown: dict[str, Any] = {
            "token": self.token,
            "namespace": self.namespace,
            "latency_ms": f"{low:g}" if low == high else f"{low:g}-{high:g}",
            "faults": self.mix.text,
            "rules": [rule.as_json() for rule in self.rules],
            "retry_after_styles": list(self.retry_after),
        }
        return shown | {name: getattr(self, name) for name in _NUMBERS}

    def changed(self, patch: dict[str, Any]) -> "Behaviour":
        """This behaviour with what `patch` names replaced.

        `mode` (with fraction, match, retry_after) stands for a single rule; `ok` drops all rules.
        Raises: UsageError for an unknown key or a value that cannot be.
        """
        rest = dict(patch)
        new: dict[str, Any] = {}
        if "mode" in rest:
            parts = ("mode", "fraction", "match", "retry_after")
            one = faults.rule({key: rest.pop(key) for key in parts if key in rest})
            new["rules"] = (one,) if one else ()
        for key, value in rest.items():
            if key not in _READERS:
                raise errors.UsageError(
                    f"unknown setting {key!r}", remedy=f"use mode or {', '.join(_READERS)}"
                )
            name, read = _READERS[key]
            new[name] = read(key, value)
        return dataclasses.replace(self, **new)


def restored(shown: dict[str, Any]) -> Behaviour:
    """The behaviour that `as_json` showed."""
    return Behaviour(token="", namespace="").changed(shown)


def latency(text: str, *, where: str = "--latency-ms") -> tuple[float, float]:
    """Lower and upper milliseconds from `20` or `20-80`. Raises: UsageError."""
    match = _LATENCY.fullmatch(text.strip())
    low = float(match[1]) if match else -1.0
    high = float(match[2]) if match and match[2] else low
    if not 0 <= low <= high <= 600_000:
        raise errors.UsageError(
            f"{where}: {text!r} is no latency", remedy="write milliseconds as 20 or 20-80"
        )
    return low, high


def styles(text: str, *, where: str = "--retry-after") -> tuple[str, ...]:
    """The Retry-After styles named in `text`, comma-separated. Raises: UsageError."""
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    if not named or set(named) - set(STYLES):
        raise errors.UsageError(f"{where}: {text!r}", remedy=f"choose from {', '.join(STYLES)}")
    return named


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise errors.UsageError(f"{key}: {value!r} is no printable text")
    return value


def _number(key: str, value: Any) -> Any:
    whole = _NUMBERS[key] is int
    try:
        number = int(value) if whole else float(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise errors.UsageError(f"{key}: {value!r} is no number of at least 0")
    return number


def _rules(key: str, value: Any) -> tuple[faults.Rule, ...]:
    if not isinstance(value, list) or not all(isinstance(raw, dict) for raw in value):
        raise errors.UsageError(f"{key}: a list of objects with mode, fraction, match, retry_after")
    made = (faults.rule(raw, where=f"rules[{at}]") for at, raw in enumerate(value))
    return tuple(rule for rule in made if rule)


def _styles(key: str, value: Any) -> tuple[str, ...]:
    return styles(",".join(value) if isinstance(value, list) else str(value), where=key)


_NUMBERS: dict[str, type] = {
    "retry_after_max_s": int,
    "drip_bytes_per_s": int,
    "stall_s": float,
    "max_faults_per_tip": int,
}
_READERS: dict[str, tuple[str, Any]] = {
    "token": ("token", _text),
    "namespace": ("namespace", _text),
    "latency_ms": ("latency_ms", lambda key, value: latency(str(value), where=key)),
    "faults": ("mix", lambda key, value: faults.parse(_text(key, value), where=key)),
    "rules": ("rules", _rules),
    "retry_after_styles": ("retry_after", _styles),
    **{name: (name, _number) for name in _NUMBERS},
}
