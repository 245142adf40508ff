"""How one run differs from another, and what each child of it is given."""

import dataclasses
import os
import time
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noggin_mp.domain import fleet, slots
from noggin_mp.observe import logs
from noggin_mp.settings import schema
from noggin_mp.supervisor import children, kernel, orders


def _fits(_fresh: schema.Settings, _rolled: Collection[str]) -> None:
    """Any configuration that can be read will do."""


def _nowhere(_key: str) -> str:
    return ""


def _no_texts() -> Mapping[str, str]:
    return {}


def _no_files() -> Collection[str]:
    return ()


def _ignored(_files: Collection[str]) -> None:
    """Who reads no files need not know which of them said something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the configuration comes from, so that it can be read again."""

    read: Callable[[], schema.Settings]
    """Reads and validates it. Raises: ConfigError."""
    examine: Callable[[schema.Settings, Collection[str]], None] = _fits
    """Tries, for `(fresh, rolled)`, what workers will need; `rolled` are the changed keys that need
    new processes. Raises: NogginError."""
    origin: Callable[[str], str] = _nowhere
    """Where a key stands, as file:line:column; as last read in this process, like `texts`."""
    texts: Callable[[], Mapping[str, str]] = _no_texts
    """The files by path."""
    said: Callable[[], Collection[str]] = _no_files
    """The paths of those in which something is written."""
    accept: Callable[[Collection[str]], None] = _ignored
    """Is told, by the process that keeps the source, what `said` was of settings now in effect."""
    file: Path | None = None
    pinned: Mapping[str, Any] = field(default_factory=dict)
    """What the command line has fixed, whatever the files say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one run of a fleet differs from another; the rest are settings."""

    until_drained: bool = False
    horizon_s: float = 0.0
    limit: int | None = None
    """End after this many TIPs; shared out among the workers, who end when their share is done."""
    job: Mapping[str, object] = field(default_factory=dict)
    """Handed to the workers as they are: `dry_run`, `tip`."""
    source: Source | None = None
    """Where a reload reads the configuration; None: there is no reload."""
    prepare_metrics: Callable[[Path], object] | None = None
    """Empties the folder of metrics files; called once, under the lock."""
    rules: slots.Rules = field(default_factory=slots.Rules)
    """Numbers of supervision; grace and watchdog come from the settings."""

    def share(self, number: int, workers: int) -> int | None:
        """How much of `limit` is the share of worker `number` among so many."""
        if self.limit is None:
            return None
        whole, rest = divmod(self.limit, workers)
        return whole + (number < rest)

    def rules_for(self, settings: schema.Settings) -> slots.Rules:
        """The numbers of supervision with those that the settings give."""
        wanted, api = settings.fleet, settings.api
        return dataclasses.replace(
            self.rules,
            grace_s=wanted.grace_s,
            watchdog_s=wanted.watchdog_s,
            # A request may keep a thread for so long without its being stuck.
            stall_s=max(wanted.watchdog_s, api.deadline_s + api.connect_timeout_s),
            recycle=dataclasses.replace(
                self.rules.recycle,
                tips=wanted.recycle_after_tips,
                rss_bytes=wanted.recycle_rss_bytes,
                age_s=wanted.recycle_after_s,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all children of one supervisor have in common."""

    instance: str
    metrics_dir: Path
    title: kernel.Title


class Boots:
    """Boot numbers: the wall clock, but always larger than the last, also when it is set back."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The boot number of the next child."""
        self._last = max(self._last + 1, time.time_ns())
        return self._last


def maker(
    slot: slots.Slot,
    *,
    place: Place,
    boot: int,
    settings: schema.Settings,
    options: Options,
    share: int | None,
    leasing: bool = True,
) -> children.MakeContext:
    """A function that makes, inside the child, the context of the child in `slot`."""
    parent_pid = os.getpid()
    job = dict(options.job) if share is None else {**options.job, "limit": share}

    def make(ends: children.Ends) -> fleet.ChildContext:
        def beat(busy: int, /, *, tips: int = 0, stalled_s: float = 0.0) -> None:
            if ends.sender.beat(busy, tips=tips, stalled_s=stalled_s):
                show_title(place.title, slot.kind, slot.number, busy)

        obedience = orders.Obedience(ends.tray, leasing=leasing, reopen_logs=logs.reopen)
        show_title(place.title, slot.kind, slot.number, 0)
        return fleet.ChildContext(
            kind=slot.kind,
            slot=slot.number,
            boot=boot,
            instance=place.instance,
            settings=settings,
            parent_pid=parent_pid,
            metrics_dir=place.metrics_dir,
            beat=beat,
            tell=ends.sender.tell,
            stopping=ends.stop.stopping,
            wait=ends.stop.wait,
            rest=lambda seconds: ends.stop.wait(seconds, ends.tray.fd),
            aborting=ends.stop.aborting,
            orders=obedience.orders,
            orders_fd=ends.tray.fd,
            leasing=obedience.leasing,
            until_drained=options.until_drained,
            horizon_s=options.horizon_s,
            listen_fd=ends.listen_fd,
            options=types.MappingProxyType(job),
        )

    return make


def show_title(title: kernel.Title, kind: fleet.ChildKind, number: int, busy: int) -> None:
    """Name this process after its work; nothing but numbers, so no secret can appear."""
    if kind is fleet.ChildKind.MONITOR:
        title.show("noggin-mp: monitor", short="noggin-monitor")
        return
    doing = f" [busy {busy}]" if busy > 0 else ""
    title.show(f"noggin-mp: worker {number}{doing}", short=f"noggin-worker-{number}")
