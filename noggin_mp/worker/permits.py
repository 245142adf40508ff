"""A leave to send one request, and what follows from its end."""

from dataclasses import dataclass

from noggin_mp.domain import outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """Leave to send exactly one request, now; it must end in exactly one report (or abandon).

    A request with a `deadline_s` (a trial) must be given up after it.
    """

    number: int
    role: outcome.Role
    scope: str
    epoch: int
    host_epoch: int
    begun: float
    fingerprint: str = ""
    probe: bool = False
    trial: bool = False
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows for the TIP: `charged` False means that its retry count must not grow.

    An uncharged TIP should not be tried again before `retry_s`. `why` is a slug for logs: ok,
    final, witness, alone, doubt, unconnected, tripped, stale, closed, quarantine, probe, paused,
    throttled, auth_stop, refused, forbidden, blind, disabled.
    """

    charged: bool
    why: str
    retry_s: float = 0.0

    @property
    def hand_back(self) -> bool:
        """True when the TIP should go back to the queue, so that other TIPs are tried meanwhile.

        In the other uncharged cases the gate is shut: asking it again waits as long as needed.
        """
        return self.why in ("doubt", "unconnected", "probe", "quarantine")
