"""What the supervisor gives to a child, so that neither imports the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from noggin_mp.domain import slots

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the supervisor wants of a living child: a fixed word, and what belongs to it."""

    name: str
    body: object = None


def _never() -> bool:
    return False


def _none() -> list[Order]:
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildContext:
    """All that a child's entry `main(context) -> exit code` is given; pure data and callables.

    `settings` is the whole settings object; the ground floor does not know its type.
    `boot` is the wall clock in nanoseconds at spawn, strictly increasing per supervisor: the newer
    tenant of a slot has the larger one. `instance` is the state folder's UUID.
    `options` carries run's choices, when given: `limit` (int, this worker's share), `tip` (str),
    `dry_run` (bool).
    """

    kind: slots.ChildKind
    slot: int
    boot: int
    instance: str
    settings: object
    parent_pid: int
    metrics_dir: Path
    beat: Callable[[int], None]
    """Say "alive, so many jobs busy"; cheap and rate-limited, never blocks."""
    tell: Callable[[str, Mapping[str, object]], None]
    """Tell the supervisor `drained` (with `exit_code`), `auth_stop`, or, with a packed error,
    `local_trouble` or `fatal`."""
    stopping: Callable[[], bool]
    """True once TERM was received or the parent is gone."""
    wait: Callable[[float], bool]
    """Sleep until a stop is asked (True) or so many seconds passed (False); any thread may call."""
    aborting: Callable[[], bool] = _never
    """True once QUIT was received: hand leases back uncharged now, do not finish jobs."""
    orders: Callable[[], list[Order]] = _none
    """What the supervisor ordered since the last call; never blocks; for one thread."""
    orders_fd: int | None = None
    """Readable when `orders` has something to give."""
    until_drained: bool = False
    horizon_s: float = 0.0
    listen_fd: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
