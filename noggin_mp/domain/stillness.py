"""Which workers keep still for TIPs that must be leased alone, while the others work on."""

from typing import Final

TURN_S: Final = 10.0
"""So long a worker waits for what it has in hand to end; then it works on, until its next turn."""


def keeps_still(*, slot: int, workers: int, suspects: int, now: float) -> bool:
    """True for as many of a host's workers as there are suspects, at most half of them, in turns.

    `now` is a clock that all of them share, in seconds. Half of them work on in any case, and one
    that is alone does so every other turn: work must not stop for a job that will not end.
    """
    span = max(workers, 2)
    return (slot + int(now // TURN_S)) % span < min(suspects, span // 2)
