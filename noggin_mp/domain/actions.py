"""What a fleet's policy asks of its supervisor."""

from dataclasses import dataclass
from enum import StrEnum

from noggin_mp.domain import slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Fork a tenant for this slot."""

    slot: slots.Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Send a signal to this slot's tenant."""

    slot: slots.Slot
    sign: slots.Sign


Action = Spawn | Signal


class Phase(StrEnum):
    """Where the fleet as a whole is; the values are supervisor.json's `state`."""

    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"
