"""supervisor.json: what this supervisor says about itself and its children."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from noggin_mp.domain import errors, fleet, slots
from noggin_mp.observe import logs
from noggin_mp.supervisor import holdings, pidfile

_LOOK_EVERY_S: Final = 5.0

log = logs.get("supervisor")


class Report:
    """Keeps supervisor.json true; written only when something changed, or when it went away."""

    def __init__(self, folder: Path, held: holdings.Holdings) -> None:
        self._folder = folder
        self._lock, self._identity = held.lock, held.instance
        self._listening = held.listening
        self._look_at = 0.0
        self._failing = False
        self._started_at = time.time()
        self.said: dict[str, object] = {}

    def publish(
        self,
        *,
        fleet_: fleet.Fleet,
        phase: fleet.Phase,
        config: Mapping[str, object],
        paused: bool,
    ) -> None:
        """Say how the fleet is; `config` is what is said of its configuration.

        A full disk must not stop the fleet: the log tells it, once, and it is tried again.
        """
        workers = [_of(slot) for slot in fleet_ if slot.kind is slots.ChildKind.WORKER]
        monitors = [_of(slot) for slot in fleet_ if slot.kind is slots.ChildKind.MONITOR]
        said: dict[str, object] = {
            "pid": os.getpid(),
            "state": str(phase),
            "paused": paused,
            **config,
            "started_at": self._started_at,
            "listening": self._listening,
            "slots": workers,
            "monitor": monitors[0] if monitors else None,
        }
        now = time.monotonic()
        if said != self.said or now >= self._look_at:
            self._look_at = now + _LOOK_EVERY_S
            changed, self.said = said != self.said, said
            self._write(changed=changed)

    def _write(self, *, changed: bool) -> None:
        """Write what is said, if the file does not say it; the folder is made anew if need be."""
        try:
            if lost := self._lock.lost():
                pidfile.restore(self._folder, lock=self._lock, identity=self._identity)
                log.warning("state_folder_restored", folder=str(self._folder))
            if changed or lost or self._failing or not pidfile.has_state(self._folder):
                pidfile.write_state(self._folder, self.said)
            if self._failing:
                log.info("state_written")
            self._failing = False
        except (OSError, errors.NogginError) as error:
            if not self._failing:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                log.warning("state_not_written", reason=reason)
            self._failing = True


def _of(slot: slots.Slot) -> dict[str, object]:
    return {"slot": slot.number, "pid": slot.pid, "state": str(slot.state)}
