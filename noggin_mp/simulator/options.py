"""What the simulator can be asked for, as plain values; reading them tells what is wrong."""

import re
import secrets
from dataclasses import dataclass
from fractions import Fraction

from noggin_mp.domain import errors
from noggin_mp.simulator import behaviour, data, faults, media, shapes

_SIZES = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")
_MAX_TIPS = 10_000_000
_MAX_PROCESSES = 64
_MAX_MEDIA_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """One simulator's start: an empty text means none, or one made up (token, namespace).

    `export` and `log` are paths; `types` is a list like `LCD,CCC`; `missing` and `faults` take
    shares like `1%`; `latency_ms` and `media_bytes` take one number or a range.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control: bool = False
    seed: int = 1
    tips: int = 200
    types: str = ""
    missing: str = "1%"
    latency_ms: str = "0"
    faults: str = ""
    token: str = ""
    namespace: str = ""
    export: str = ""
    log: str = ""
    media_bytes: str = "20000-60000"
    processes: int = 1
    retry_after: str = "seconds,date,nonsense,none"
    retry_after_max_s: int = 5
    max_faults_per_tip: int = 3
    drip_bytes_per_s: int = 256
    stall_s: float = 600.0

    def world(self) -> data.World:
        """The world these options describe. Raises: UsageError."""
        if not 0 <= self.tips <= _MAX_TIPS:
            raise errors.UsageError(f"--tips: {self.tips} is not between 0 and {_MAX_TIPS}")
        if not 1 <= self.processes <= _MAX_PROCESSES:
            raise errors.UsageError(
                f"--processes: {self.processes} is not between 1 and {_MAX_PROCESSES}"
            )
        faults.share(self.missing, where="--missing")
        percent = self.missing.strip().endswith("%")
        missing = Fraction(self.missing.strip().rstrip("% ")) / (100 if percent else 1)
        return data.World(
            seed=self.seed,
            tips=self.tips,
            types=_types(self.types),
            missing=missing,
            namespace=self.namespace,
            media_bytes=_sizes(self.media_bytes),
        )

    def conduct(self, world: data.World) -> behaviour.Behaviour:
        """How the simulator behaves at first. Raises: UsageError."""
        return behaviour.Behaviour(
            token=self.token or secrets.token_hex(16), namespace=world.namespace
        ).changed(
            {
                "latency_ms": self.latency_ms,
                "faults": self.faults,
                "retry_after_styles": self.retry_after,
                "retry_after_max_s": self.retry_after_max_s,
                "max_faults_per_tip": self.max_faults_per_tip,
                "drip_bytes_per_s": self.drip_bytes_per_s,
                "stall_s": self.stall_s,
            }
        )


def _types(text: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(part.strip().upper() for part in text.split(",") if part.strip()))
    known = shapes.load()
    for code in named:
        if code not in known:
            raise errors.UsageError(
                f"--types: unknown type {code!r}", remedy=f"choose from {', '.join(known)}"
            )
    return named


def _sizes(text: str) -> tuple[int, int]:
    match = _SIZES.fullmatch(text.strip())
    low = int(match[1]) if match else 0
    high = int(match[2]) if match and match[2] else low
    if not media.MIN_BYTES <= low <= high <= _MAX_MEDIA_BYTES:
        raise errors.UsageError(
            f"--media-bytes: {text!r} is no size from {media.MIN_BYTES} to {_MAX_MEDIA_BYTES}",
            remedy="write bytes as 50000 or as 20000-60000",
        )
    return low, high
