"""One slot of the fleet: the life of its successive tenants, from beats, exits and deadlines.

All times are monotonic seconds that the caller hands in.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from noggin_mp.domain import recycling


class ChildKind(StrEnum):
    """What a child of the supervisor is."""

    WORKER = "worker"
    MONITOR = "monitor"


class SlotState(StrEnum):
    """Where a slot is; the values appear in supervisor.json."""

    WAITING = "waiting"  # to be spawned at `due_at`
    STARTING = "starting"  # spawned, no beat yet
    RUNNING = "running"
    DRAINING = "draining"  # TERM was sent
    HUNG = "hung"  # ABRT was sent
    KILLED = "killed"  # KILL was sent
    PARKED = "parked"  # failed too often; left alone
    GONE = "gone"  # ended, and not wanted again


LIVE = frozenset(
    {SlotState.STARTING, SlotState.RUNNING, SlotState.DRAINING, SlotState.HUNG, SlotState.KILLED}
)
"""In these states the slot has a process."""


WORKING = frozenset({SlotState.STARTING, SlotState.RUNNING})
"""In these states the tenant was not asked to end."""

SETTLED = frozenset({SlotState.RUNNING, SlotState.PARKED})
"""In these states a slot is as it should be, or as it will stay."""


class Sign(StrEnum):
    """A signal by its short name."""

    TERM = "TERM"
    QUIT = "QUIT"  # abort: a second TERM could merge with the first, so it has its own signal
    ABRT = "ABRT"
    KILL = "KILL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The numbers of supervision, in seconds unless the name says otherwise.

    Grace and watchdog come from the settings.
    """

    grace_s: float = 30.0
    watchdog_s: float = 120.0
    abort_s: float = 5.0
    """From ABRT to KILL, and from an abort to KILL."""
    backoff_first_s: float = 0.5
    backoff_max_s: float = 30.0
    healthy_s: float = 60.0
    park_after_exits: int = 5
    park_window_s: float = 60.0
    quick_exit_s: float = 1.0
    """A clean exit that nobody asked for counts as a failure when it comes sooner than this."""
    lapse_s: float = 5.0
    """A loop turn longer than this means the supervisor itself was stopped: no child is blamed."""
    stall_s: float = 120.0
    """A job thread may go so long without a sign of progress."""
    answer_s: float = 35.0
    """A child that does not take new settings over within this time is replaced instead: above the
    30 s that its loop may wait for a database that is away."""
    ready_s: float = 60.0
    """A child with new settings must be at work within this time: three times what it may wait for
    the session of its predecessor to end."""
    recycle: recycling.Limits = field(default_factory=recycling.Limits)

    @property
    def lapse(self) -> float:
        """`lapse_s`, but so short that a lapse is noticed before the watchdog blames anybody."""
        return min(self.lapse_s, max(1.5, self.watchdog_s / 2))


class ExitReason(StrEnum):
    """Why a tenant ended; the values are the label `reason` of noggin_worker_exits_total."""

    CLEAN = "clean"  # exit status 0, unasked
    DRAINED = "drained"  # asked: the fleet stops or shrinks
    ROLLED = "rolled"  # asked: new settings
    RECYCLED = "recycled"  # asked: it had lived long enough
    FAILED = "failed"  # another exit status
    CRASHED = "crashed"  # a signal that is not ours
    HUNG = "hung"  # our signal, for want of a sign of life


WITHOUT_BLAME = frozenset({5})
"""A worker that ends with one of these meets what meets every other: it is slowed down, and never
parked. Source: the command line's exit codes: the database cannot be reached.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How a child ended: `code` is its exit status, or None with the number of the signal."""

    code: int | None
    signal: int | None = None

    @property
    def clean(self) -> bool:
        """True for exit status 0."""
        return self.code == 0

    def __str__(self) -> str:
        return f"exit code {self.code}" if self.code is not None else f"signal {self.signal}"


@dataclass(slots=True, kw_only=True)
class Slot:
    """A numbered place for one child at a time."""

    kind: ChildKind
    number: int
    state: SlotState = SlotState.WAITING
    wanted: bool = True
    """False: not spawned again when the present tenant ends."""
    generation: int = 0
    """Of the settings that the present tenant runs with."""
    pid: int | None = None
    busy: int = 0
    due_at: float = 0.0
    spawned_at: float = 0.0
    beat_at: float = 0.0
    deadline: float | None = None
    streak: int = 0
    """Failures in a row, for the backoff."""
    failures: deque[float] = field(default_factory=deque)
    at_work: bool = False
    """True once the present tenant has said that it is ready."""
    stalled_s: float = 0.0
    """How long one of its threads had made no progress, at the last beat."""
    why: ExitReason = ExitReason.DRAINED
    """Why the present tenant was asked to end, if it was."""
    life: recycling.Life = field(default_factory=recycling.Life)

    @property
    def live(self) -> bool:
        """True while the slot has a process."""
        return self.state in LIVE

    @property
    def name(self) -> str:
        """`monitor` or `worker 3`."""
        return self.kind if self.kind is ChildKind.MONITOR else f"{self.kind} {self.number}"

    def spawned(self, *, now: float, pid: int, generation: int) -> None:
        """Account for a new tenant."""
        self.state, self.pid, self.generation = SlotState.STARTING, pid, generation
        self.spawned_at = self.beat_at = now
        self.busy, self.stalled_s, self.deadline = 0, 0.0, None
        self.why, self.at_work = ExitReason.DRAINED, False

    def beat(self, *, now: float, busy: int, tips: int = 0, stalled_s: float = 0.0) -> None:
        """Account for a beat; the first makes the tenant ready, unless `busy` is below 0."""
        self.beat_at, self.busy, self.stalled_s = now, max(busy, 0), stalled_s
        self.life.tips = tips
        self.at_work = self.at_work or busy >= 0
        if self.state is SlotState.STARTING and self.at_work:
            self.state = SlotState.RUNNING

    def asked_to_end(self, *, deadline: float, why: ExitReason = ExitReason.DRAINED) -> None:
        """Account for a TERM: the tenant has until `deadline`, or an earlier one it had."""
        if self.state is SlotState.KILLED:
            return
        self.why = why
        if self.state is SlotState.HUNG and self.deadline is not None:
            deadline = min(deadline, self.deadline)
        self.state, self.deadline = SlotState.DRAINING, deadline

    def exit_reason(self, exit_: Exit) -> ExitReason:
        """Why the tenant ended so; asked before `exited` forgets it."""
        if self.state is SlotState.DRAINING:
            return self.why
        if self.state in (SlotState.HUNG, SlotState.KILLED):
            return ExitReason.HUNG
        if exit_.code is None:
            return ExitReason.CRASHED
        return ExitReason.CLEAN if exit_.clean else ExitReason.FAILED

    def exited(self, *, now: float, exit_: Exit, rules: Rules, jitter: float) -> None:
        """Account for the tenant's end: wait for the next one, park, or be gone.

        `jitter` in [0, 1) spreads the backoff between a half and the whole of it.
        """
        asked = self.state is SlotState.DRAINING
        quick = now - self.spawned_at < rules.quick_exit_s
        failed = not asked and (not exit_.clean or quick)
        if now - self.spawned_at >= rules.healthy_s:
            self.streak = 0
        self.pid, self.busy, self.deadline = None, 0, None
        self.state = SlotState.WAITING if self.wanted else SlotState.GONE
        self.due_at = now
        if failed and self.wanted:
            self._failed(
                now=now, rules=rules, jitter=jitter, blamed=exit_.code not in WITHOUT_BLAME
            )

    def spawn_failed(self, *, now: float, rules: Rules, jitter: float) -> None:
        """Account for a fork that the system refused: the same as an exit at once."""
        self.spawned_at = now
        self._failed(now=now, rules=rules, jitter=jitter, blamed=True)

    def _failed(self, *, now: float, rules: Rules, jitter: float, blamed: bool) -> None:
        if blamed:
            self.failures.append(now)
        while self.failures and now - self.failures[0] > rules.park_window_s:
            self.failures.popleft()
        if self.kind is ChildKind.WORKER and len(self.failures) >= rules.park_after_exits:
            self.state = SlotState.PARKED
            return
        if self.streak > 0:
            whole = min(rules.backoff_max_s, rules.backoff_first_s * 2 ** min(self.streak - 1, 16))
            self.due_at = now + whole * (0.5 + jitter / 2)
        self.streak += 1

    def forgive(self, *, now: float) -> None:
        """Forget failures that were not this slot's own, and fill it at once."""
        self.streak = 0
        self.failures.clear()
        if self.state in (SlotState.WAITING, SlotState.PARKED):
            self.state, self.due_at = SlotState.WAITING, now

    def unpark(self, *, now: float) -> None:
        """Give a parked slot a fresh start."""
        if self.state is SlotState.PARKED:
            self.state, self.due_at, self.streak = SlotState.WAITING, now, 0
            self.failures.clear()

    def overdue(self, *, now: float, rules: Rules) -> Sign | None:
        """The signal due to a tenant past its deadline or without a beat, accounted for."""
        if self.state in (SlotState.STARTING, SlotState.RUNNING):
            silent_s = now - self.beat_at
            stalled = self.stalled_s > 0 and self.stalled_s + silent_s >= rules.stall_s
            if silent_s < rules.watchdog_s and not stalled:
                return None
            self.state, self.deadline = SlotState.HUNG, now + rules.abort_s
            return Sign.ABRT
        if self.state in (SlotState.DRAINING, SlotState.HUNG):
            if self.deadline is None or now < self.deadline:
                return None
            return self.kill()
        return None

    def kill(self) -> Sign:
        """KILL, accounted for. A tenant that was asked to end stays a tenant that was asked."""
        if self.state is not SlotState.DRAINING:
            self.state = SlotState.KILLED
        self.deadline = None
        return Sign.KILL

    def next_at(self, *, rules: Rules) -> float | None:
        """When something about this slot will be due, if nothing happens before."""
        if self.state is SlotState.WAITING:
            return self.due_at
        if self.state in (SlotState.STARTING, SlotState.RUNNING):
            left_s = rules.stall_s - self.stalled_s if self.stalled_s else rules.watchdog_s
            return self.beat_at + max(0.0, min(rules.watchdog_s, left_s))
        return self.deadline
