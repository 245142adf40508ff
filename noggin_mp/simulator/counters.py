"""What all processes share: counters, and how many faults each TIP has met. One mapping, no locks.

Each process writes only its own row of counters, so sums are exact. The faults per TIP are one
byte each, written by whichever process answers; a lost update there only lets one more fault by.
"""

import mmap

from noggin_mp.simulator import faults

NAMES = (
    "requests",
    "api",
    "media",
    "other",
    "bytes",
    "in_flight",
    "connections",
    "aborted",
    "unauthorised",
    "wrong_namespace",
    "refused_methods",
    "foreign",
    "foreign_with_token",
    "faults",
)
_FAULTS = tuple(faults.KINDS)
_FIRST_FAULT = len(NAMES)
_FIRST_STATUS = _FIRST_FAULT + len(_FAULTS)
_CELLS = _FIRST_STATUS + 600
_LIVE = ("in_flight", "connections")  # gauges: a reset keeps them


class Counters:
    """The shared counters of `processes` processes and the fault budget of `tips` TIPs."""

    __slots__ = ("_budget", "_cells", "_processes")

    def __init__(self, *, processes: int, tips: int) -> None:
        self._processes = processes
        self._cells = memoryview(mmap.mmap(-1, processes * _CELLS * 8)).cast("q")
        self._budget = memoryview(mmap.mmap(-1, max(1, tips)))

    def row(self, slot: int) -> "Row":
        """The counters that process `slot` writes."""
        return Row(self._cells[slot * _CELLS : (slot + 1) * _CELLS])

    def spend(self, number: int, limit: int) -> bool:
        """True when record `number` may meet one more fault, which is then noted."""
        spent = self._budget[number]
        if spent >= min(limit, 255):
            return False
        self._budget[number] = spent + 1
        return True

    def forgive(self) -> None:
        """Give every TIP its whole fault budget again."""
        size = len(self._budget)
        self._budget[:] = bytes(size)

    def totals(self) -> dict[str, object]:
        """The sums over all processes."""
        sums = [
            sum(self._cells[slot * _CELLS + cell] for slot in range(self._processes))
            for cell in range(_CELLS)
        ]
        named: dict[str, object] = dict(zip(NAMES, sums, strict=False))
        named["by_status"] = {
            str(status): sums[_FIRST_STATUS + status]
            for status in range(600)
            if sums[_FIRST_STATUS + status]
        }
        named["by_fault"] = {
            name: sums[_FIRST_FAULT + at]
            for at, name in enumerate(_FAULTS)
            if sums[_FIRST_FAULT + at]
        }
        return named


class Row:
    """One process's counters."""

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def add(self, name: str, amount: int = 1) -> None:
        """Add to a named counter."""
        self._cells[_AT[name]] += amount

    def status(self, status: int) -> None:
        """Count an answer's status."""
        self._cells[_FIRST_STATUS + status] += 1

    def fault(self, kind: str) -> None:
        """Count a fault; plain status codes are counted by their status only."""
        self._cells[_AT["faults"]] += 1
        if kind in _FAULT_AT:
            self._cells[_FAULT_AT[kind]] += 1

    def clear(self) -> None:
        """Set all but the gauges to zero."""
        kept = {name: self._cells[_AT[name]] for name in _LIVE}
        for cell in range(_CELLS):
            self._cells[cell] = 0
        for name, value in kept.items():
            self._cells[_AT[name]] = value


_AT = {name: at for at, name in enumerate(NAMES)}
_FAULT_AT = {name: _FIRST_FAULT + at for at, name in enumerate(_FAULTS)}
