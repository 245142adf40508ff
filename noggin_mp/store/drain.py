"""Whether a run that should end by itself may end, and how it went."""

import dataclasses

from noggin_mp.store import session, statements


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """What is left to do: whether a run `--until-drained` may end, and how it went."""

    ready: bool
    leased: bool
    due_within_horizon: bool
    dead_since: int

    @property
    def drained(self) -> bool:
        """True when nothing is ready, leased, or due within the horizon."""
        return not (self.ready or self.leased or self.due_within_horizon)


def state(connection: session.Connection, *, horizon_s: float, age_s: float) -> Drain:
    """Whether live work is left, and how many TIPs became dead letters in the last `age_s`."""
    row = connection.execute(
        statements.statement("drain_state"), {"horizon_s": horizon_s, "age_s": age_s}
    ).fetchone()
    assert row is not None
    return Drain(ready=row[0], leased=row[1], due_within_horizon=row[2], dead_since=row[3])
