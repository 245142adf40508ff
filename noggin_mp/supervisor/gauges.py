"""The supervisor's own metrics: how many workers are in which state, and how they ended."""

from collections import Counter

from noggin_mp.domain import fleet, slots
from noggin_mp.observe import metrics


class Gauges:
    """Writes what changed, and nothing else: a turn of the loop costs no write."""

    def __init__(self, meters: metrics.Metrics) -> None:
        self._meters = meters
        self._states: Counter[str] = Counter()
        self._up: dict[int, bool] = {}
        self._leasing = True

    def show(self, fleet_: fleet.Fleet, *, leasing: bool) -> None:
        """Bring all gauges up to date."""
        workers = [slot for slot in fleet_ if slot.kind is slots.ChildKind.WORKER]
        states = Counter(str(slot.state) for slot in workers)
        for state in states.keys() | self._states.keys():
            if states[state] != self._states[state]:
                self._meters.workers(state, states[state])
        self._states = states
        up = {slot.number: slot.live for slot in workers}
        for number in self._up.keys() - up.keys():
            self._meters.worker_gone(str(number))
        for number, lives in up.items():
            if number not in self._up:
                self._meters.worker_slot(str(number))
            if lives != self._up.get(number, False):
                self._meters.worker_up(str(number), lives)
        self._up = up
        if leasing != self._leasing:
            self._leasing = leasing
            self._meters.leasing_paused(not leasing)

    def ended(self, slot: slots.Slot, why: slots.ExitReason) -> None:
        """A child ended; the monitor's ends are in the log only."""
        if slot.kind is slots.ChildKind.WORKER:
            self._meters.worker_exit(str(slot.number), why)

    def reloaded(self, *, valid: bool) -> None:
        """The configuration was read again."""
        self._meters.config_reloaded(valid=valid)
