"""What the supervisor gives to a child, so that neither imports the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from noggin_mp.domain import slots

if TYPE_CHECKING:
    from pathlib import Path


REOPEN_LOGS, LEASING, ANSWERED = "reopen_logs", "leasing", "answered"
"""Names of orders: open the logs again; take new work or not (body: bool); what became of a request
that this monitor told (body: `id`, `ok`, `detail`). The first two every child obeys by itself."""

SETTINGS = "settings"
"""Take other settings over between two jobs (body: `version`, `settings`), then tell `applied`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the supervisor wants of a living child: a fixed word, and what belongs to it."""

    name: str
    body: object = None


def beat_every_s(watchdog_s: float) -> float:
    """How often a child at rest says that it lives, in seconds: as rarely as is safe."""
    return min(2.0, watchdog_s / 4)


class Beat(Protocol):
    """Says "alive, so many jobs busy"; cheap and rate-limited, never blocks."""

    def __call__(self, busy: int, /, *, tips: int = 0, stalled_s: float = 0.0) -> None:
        """`tips`: done in this life; `stalled_s`: how long some thread has made no progress.

        `busy` -1: alive, and not at work yet.
        """


def _never() -> bool:
    return False


def _always() -> bool:
    return True


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
    beat: Beat
    tell: Callable[[str, Mapping[str, object]], None]
    """Tell the supervisor `drained` (with `exit_code`), `auth_stop`, `applied` (with the `version`
    of settings taken over), `request` (of a person, for
    this host), or, with a packed error, `local_trouble` or `fatal`."""
    stopping: Callable[[], bool]
    """True once TERM was received or the parent is gone."""
    wait: Callable[[float], bool]
    """Sleep until a stop is asked (True) or so many seconds passed (False); any thread may call."""
    rest: Callable[[float], bool]
    """As `wait`, but orders to be read end it as well (False)."""
    aborting: Callable[[], bool] = _never
    """True once QUIT was received: hand leases back uncharged now, do not finish jobs."""
    orders: Callable[[], list[Order]] = _none
    """What the supervisor ordered since the last call; never blocks; for one thread."""
    orders_fd: int | None = None
    """Readable when `orders` has something to give."""
    leasing: Callable[[], bool] = _always
    """False while this host is to take no new work; what is in hand is finished. As `orders`."""
    until_drained: bool = False
    horizon_s: float = 0.0
    listen_fd: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
