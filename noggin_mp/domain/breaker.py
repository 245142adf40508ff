"""The breaker's policy as pure decisions: what outcomes count as, what trips, what may follow.

The fleet's state is decided by the SQL functions of the breaker migration; the functions here say
the same thing in Python, and a test holds the two together over random sequences.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

from noggin_mp.domain import outcome

BUCKETS = 12
"""A window is counted in so many buckets, the current one included."""
WELL_S = 2.5  # a worker is well that told of a success so lately, and fails nothing
STREAK_WINDOWS = 10
"""A streak that nothing was added to for so many windows has lapsed."""


class State(StrEnum):
    """`breaker_state.state`."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"
    PAUSED = "paused"
    AUTH_STOP = "auth_stop"
    FORCED_OPEN = "forced_open"


GAUGE: Mapping[State, int] = {
    State.CLOSED: 0,
    State.HALF_OPEN: 1,
    State.OPEN: 2,
    State.PAUSED: 3,
    State.AUTH_STOP: 4,
    State.FORCED_OPEN: 5,
}
"""The numbers dashboards know the states by; frozen."""


class Event(StrEnum):
    """What moves a scope from state to state."""

    TRIP = "trip"
    PROBE = "probe"
    TRIAL_FAILED = "trial_failed"
    TRIAL_PASSED = "trial_passed"
    PAUSE = "pause"
    EXPIRE = "expire"
    REFUSE = "refuse"
    FORCE = "force"
    CLOSE = "close"


_MOVES: Mapping[tuple[State, Event], State] = {
    (State.CLOSED, Event.TRIP): State.OPEN,
    (State.OPEN, Event.PROBE): State.HALF_OPEN,
    (State.HALF_OPEN, Event.PROBE): State.HALF_OPEN,
    (State.HALF_OPEN, Event.TRIAL_FAILED): State.OPEN,
    (State.HALF_OPEN, Event.TRIAL_PASSED): State.CLOSED,
    (State.CLOSED, Event.PAUSE): State.PAUSED,
    (State.PAUSED, Event.PAUSE): State.PAUSED,
    (State.PAUSED, Event.EXPIRE): State.CLOSED,
    (State.FORCED_OPEN, Event.EXPIRE): State.CLOSED,
    (State.CLOSED, Event.REFUSE): State.AUTH_STOP,
    (State.PAUSED, Event.REFUSE): State.AUTH_STOP,
    (State.HALF_OPEN, Event.REFUSE): State.AUTH_STOP,
    (State.AUTH_STOP, Event.PROBE): State.HALF_OPEN,
    **{(state, Event.FORCE): State.FORCED_OPEN for state in State},
    **{(state, Event.CLOSE): State.CLOSED for state in State},
}


class IllegalMove(ValueError):
    """A change of state that the table does not list."""


def move(state: State, event: Event) -> State:
    """The state that `event` leads to from `state`. Raises: IllegalMove."""
    try:
        return _MOVES[state, event]
    except KeyError:
        raise IllegalMove(f"a scope that is {state} cannot {event}") from None


class Sample(StrEnum):
    """What an outcome means to the breaker."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    PAUSE = "pause"
    AUTH = "auth"


_SAMPLES: Mapping[outcome.Kind, Sample] = {
    outcome.Kind.SUCCESS: Sample.SUCCESS,
    outcome.Kind.NOT_FOUND: Sample.NEUTRAL,
    outcome.Kind.CLIENT_ERROR: Sample.NEUTRAL,
    outcome.Kind.SERVER_ERROR: Sample.FAILURE,
    outcome.Kind.TIMEOUT: Sample.FAILURE,
    outcome.Kind.CONNECT: Sample.FAILURE,
    outcome.Kind.BAD_CONTENT: Sample.FAILURE,
    outcome.Kind.RATE_LIMITED: Sample.PAUSE,
    outcome.Kind.AUTH: Sample.AUTH,
}


def classify(kind: outcome.Kind) -> Sample:
    """What an outcome of this kind counts as."""
    return _SAMPLES[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a scope trips and how it recovers; durations in seconds, shares in percent."""

    fail_max: int = 5
    failure_threshold_percent: float = 50.0
    sample_size: int = 10
    window_s: float = 60.0
    slow_call_s: float | None = None
    slow_threshold_percent: float | None = None
    open_duration_s: float = 60.0
    open_multiplier: float = 2.0
    open_max_s: float = 900.0
    open_jitter: float = 0.2
    retry_after_cap_s: float = 900.0
    success_threshold: int = 2
    recovery_ramp_s: float = 10.0
    min_voters: int = 2
    pause_default_s: float = 5.0
    probe_deadline_s: float = 10.0
    mode: str = "enforce"

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Policy":
        """The policy with `values` over the defaults. Raises: TypeError for a key that is none."""
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Every key and value, as the SQL functions take them."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def open_seconds(policy: Policy, open_count: int, random: float) -> float:
    """How long to stay open at the `open_count`-th opening in a row; `random` in [0, 1)."""
    grown = policy.open_duration_s * policy.open_multiplier ** min(max(open_count, 1) - 1, 60)
    return min(policy.open_max_s, grown * (1 + policy.open_jitter * (2 * random - 1)))


def pause_seconds(policy: Policy, retry_after_s: float | None) -> float:
    """How long a 429 stops the fleet: whole seconds up, clamped; default when unusable."""
    if retry_after_s is None or math.isnan(retry_after_s) or retry_after_s <= 0:
        return min(policy.pause_default_s, policy.retry_after_cap_s)
    if retry_after_s >= policy.retry_after_cap_s:
        return policy.retry_after_cap_s
    return min(policy.retry_after_cap_s, float(math.ceil(retry_after_s)))


def ramp_permits(policy: Policy, capacity: int, since_close_s: float, phase: float) -> int:
    """How many requests a worker of `capacity` threads may have in flight so soon after closing.

    `phase` in [0, 1] spreads a fleet: each worker gets its first permit at another moment, and
    the fleet as a whole grows from about one to all.
    """
    if since_close_s >= policy.recovery_ramp_s:
        return capacity
    share = max(0.0, since_close_s) / policy.recovery_ramp_s
    return min(capacity, math.floor(capacity * share + phase))


def ramp_next_s(policy: Policy, capacity: int, permits: int, phase: float) -> float:
    """Seconds after closing at which `ramp_permits` first exceeds `permits`."""
    return min(1.0, max(0.0, (permits + 1 - phase) / capacity)) * policy.recovery_ramp_s


def scope(host: str, role: outcome.Role | None = None) -> str:
    """`host:role`, or `host` alone for pauses, auth stops and acts by hand."""
    return host if role is None else f"{host}:{role}"


def fingerprint(token: str) -> str:
    """A short digest that tells tokens apart and gives none away."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


@dataclass(slots=True, kw_only=True)
class Vote:
    """What one worker saw of a scope: its current streak of failures, and its buckets."""

    streak: int = 0
    quarantined: bool = False
    at_s: float = 0.0
    ok_s: float | None = None  # when the latest request that succeeded was begun
    buckets: dict[int, list[int]] = field(default_factory=dict)  # start_ms -> ok, failed, slow

    def add(
        self, *, ok: int, failed: int, slow: int, streak: int | None, now_s: float, policy: Policy
    ) -> None:
        """Add outcomes; `streak` adds to the streak, 0 ends it, None leaves it alone."""
        if streak == 0:
            self.streak, self.quarantined = 0, False
        elif streak:
            lapsed = self.at_s <= now_s - STREAK_WINDOWS * policy.window_s
            self.streak = streak + (0 if lapsed else self.streak)
        if ok + failed > 0:
            start = bucket(policy, now_s)
            # Those of a time that is yet to come were counted before the clock was set back.
            self.buckets = {at: counts for at, counts in self.buckets.items() if at <= start}
            counts = self.buckets.setdefault(start, [0, 0, 0])
            for index, more in enumerate((ok, failed, slow)):
                counts[index] += more
            self.at_s = now_s

    def totals(self, policy: Policy, now_s: float) -> tuple[int, int, int]:
        """Successes, failures and slow calls within the window."""
        oldest = bucket(policy, now_s) - (BUCKETS - 0.5) / BUCKETS * 1000 * policy.window_s
        live = [counts for start, counts in self.buckets.items() if start > oldest]
        ok, failed, slow = (sum(counts[i] for counts in live) for i in range(3))
        return ok, failed, slow


def bucket(policy: Policy, now_s: float) -> int:
    """Start, in milliseconds, of the bucket `now_s` lies in."""
    width_s = policy.window_s / BUCKETS
    return round(math.floor(now_s * BUCKETS / policy.window_s) * width_s * 1000)


class Decision(StrEnum):
    """What the fleet's votes come to."""

    NONE = "none"
    TRIP_STREAK = "trip_streak"
    TRIP_SHARE = "trip_share"
    TRIP_SLOW = "trip_slow"
    QUARANTINE = "quarantine"  # of the reporting worker: it fails alone


def decide(
    votes: Mapping[str, Vote],
    *,
    worker: str,
    busy: int,
    policy: Policy,
    now_s: float,
    elsewhere: int = 0,
) -> Decision:
    """What `votes` come to after an outcome of `worker`, with `busy` workers at work.

    The limit of a streak is `fail_max`, but grows with the fleet: in a healthy one failures are
    scattered. What fails `elsewhere`, in the streaks of the host's other role, is no scatter and
    takes from that growth; a trip of that role within the window takes all of it (`busy`).
    Workers in quarantine neither count nor are needed. When only one of the fleet's hosts fails
    while another one (`worker` is `host/slot`) is well, its network may be its own: no trip.
    """
    forgotten_s = now_s - STREAK_WINDOWS * policy.window_s
    known = {name: vote for name, vote in votes.items() if vote.at_s > forgotten_s}
    own = known.get(worker, Vote())
    counted = [vote for vote in known.values() if not vote.quarantined]
    active = sum(vote.at_s > now_s - policy.window_s for vote in counted)
    limit = max(policy.fail_max, busy - elsewhere)
    needed = min(policy.min_voters, active)
    streaks = [vote.streak for vote in counted]
    if own.quarantined:
        return Decision.QUARANTINE
    lone = policy.min_voters > 1 and _host_alone(known, worker=worker, now_s=now_s)
    if sum(streaks) >= limit and _some(streaks, needed) and not lone:
        return Decision.TRIP_STREAK
    totals = [vote.totals(policy, now_s) for vote in counted]
    size = sum(ok + failed for ok, failed, _ in totals)
    if size >= policy.sample_size:
        shares = (
            (Decision.TRIP_SHARE, [t[1] for t in totals], policy.failure_threshold_percent),
            (Decision.TRIP_SLOW, [t[2] for t in totals], policy.slow_threshold_percent),
        )
        for decision, bad, percent in shares:
            reached = percent is not None and sum(bad) * 100 >= percent * size
            held = lone and decision is Decision.TRIP_SHARE
            if reached and sum(bad) > 0 and _some(bad, needed) and not held:
                return decision
    return Decision.QUARANTINE if own.streak >= limit else Decision.NONE


def _host_alone(votes: Mapping[str, Vote], *, worker: str, now_s: float) -> bool:
    """True when the failures are one host's and a worker of another one has just succeeded."""
    own, counted = worker.split("/")[0], [v for v in votes.items() if not v[1].quarantined]
    failing = {name.split("/")[0] for name, vote in counted if vote.streak > 0}
    others = [vote for name, vote in counted if name.split("/")[0] != own and not vote.streak]
    well = any(vote.ok_s is not None and vote.at_s > now_s - WELL_S for vote in others)
    return well and len(failing) <= 1


def _some(counts: Iterable[int], needed: int) -> bool:
    return sum(count > 0 for count in counts) >= needed
