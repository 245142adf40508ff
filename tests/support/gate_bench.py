"""A gate on a real database that beats by hand, and time that can be moved on."""

import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from noggin_mp.domain import breaker, holds, outcome
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from noggin_mp.worker import gate as gates

HOST = "api.example"
ROLE = outcome.Role.API
OPEN_S = 60.0


class Clock:
    """The real clock, or one that stands still, and a hand to move it on."""

    def __init__(self, *, still: bool = False) -> None:
        self.ahead = 0.0
        self._stands_at = 100.0 if still else None

    def __call__(self) -> float:
        now = time.monotonic() if self._stands_at is None else self._stands_at
        return now + self.ahead


@dataclass
class Bench:
    """A gate and its surroundings; `token` holds the fingerprint of the token in use."""

    pool: session.Pool
    gate: gates.Gate
    clock: Clock
    token: list[str]
    changes: list[holds.Change] = field(default_factory=list)

    def beat(self) -> None:
        """Tell the database what went well, and the gate what the database says."""
        with self.pool.connection() as connection:
            reply = store.beat(
                connection,
                host="h",
                slot=0,
                instance="6b1c1d5e-0b5c-4b0e-9a53-3d2f7f4d8c11",
                boot=1,
                pid=1,
                state="running",
                busy=0,
                tip=None,
                votes=self.gate.votes(),
            )
        self.gate.on_beat(reply["scopes"])

    def acquire(self, give_up_s: float = 0.0, role: outcome.Role = ROLE) -> gates.Permit:
        """A permit, when it can be had in time."""
        return self.gate.acquire(role, cancelled=lambda: False, give_up_s=give_up_s)

    def send(self, kind: outcome.Kind, *, tip: str = "t", **values: Any) -> gates.Verdict:
        """A request that ends so, as soon as it is permitted."""
        attempt = outcome.Attempt(kind=kind, role=ROLE, reason=str(kind), **values)
        return self.gate.report(self.acquire(60), attempt, tip=tip)

    def refusal(self, give_up_s: float = 0.0) -> tuple[str, float]:
        """Why there is no permit, and for how long."""
        with pytest.raises(gates.Refused) as caught:
            self.acquire(give_up_s)
        return caught.value.reason, caught.value.remaining_s

    def wait_out(self, conn: session.Connection, seconds: float = OPEN_S) -> None:
        """So much time passes, for the database's deadlines and for this process."""
        conn.execute(
            "UPDATE breaker_state SET until = until - make_interval(secs => %s)", (seconds,)
        )
        self.clock.ahead += seconds
        self.beat()


def made(pool: session.Pool, *, worker: str, clock: Clock, **policy: Any) -> Bench:
    """A bench for a worker of this name; its gate has not seen a beat yet."""
    token, changes = ["old"], list[holds.Change]()
    values = {
        "open_duration_s": OPEN_S, "open_multiplier": 1.0, "open_jitter": 0.0,
        "recovery_ramp_s": 0.0, **policy,
    }  # fmt: skip
    gate = gates.Gate(
        store=store.Store(pool, worker=worker, timeout_s=60.0),
        worker=worker,
        host=HOST,
        policy=dict.fromkeys(outcome.Role, breaker.Policy.of(values)),
        clock=clock,
        capacity=4,
        fingerprint=lambda: token[0],
        changed=changes.append,
    )
    return Bench(pool, gate, clock, token, changes)
