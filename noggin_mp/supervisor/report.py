"""supervisor.json: what this supervisor says about itself and its children."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from noggin_mp.domain import fleet, slots
from noggin_mp.observe import logs
from noggin_mp.supervisor import pidfile

log = logs.get("supervisor")


class Report:
    """Keeps supervisor.json true; written only when something changed."""

    def __init__(self, folder: Path, *, listening: str | None) -> None:
        """`listening`: the address that the monitor serves, as host:port."""
        self._folder = folder
        self._listening = listening
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

        A disk that is full must not stop the fleet: then the log tells.
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
        if said == self.said:
            return
        self.said = said
        try:
            pidfile.write_state(self._folder, said)
        except OSError as error:
            log.warning("state_not_written", reason=error.strerror)


def _of(slot: slots.Slot) -> dict[str, object]:
    return {"slot": slot.number, "pid": slot.pid, "state": str(slot.state)}
