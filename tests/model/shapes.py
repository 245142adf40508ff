"""What the model consists of: the row, workers, requests; its sizes; the guards it can switch off.

Times are whole steps still to go, epochs are pairs of the number the protocol compares and of the
era, which is never used twice and which only the laws look at. Whatever is said about a worker,
in the database too, is kept with the worker, so that workers can change places.
"""

from dataclasses import dataclass
from typing import NamedTuple

from noggin_mp.domain import breaker

DEADLINE, LEASE, OPEN, RETRY, BLIND = 1, 2, 1, 1, 1
"""Steps: a probe's deadline, its lease, how long open, between tries of a token, without a beat."""
PAUSES = {"429": 1, "429 for longer": 2}
"""Steps that these outcomes ask everybody to wait."""
NOBODY = -1
# Plain strings: the checker hashes them millions of times, and an enum's hash is Python code.
CLOSED, OPENED, HALF_OPEN, PAUSED, AUTH_STOP, FORCED_OPEN = (
    breaker.State[name].value
    for name in ("CLOSED", "OPEN", "HALF_OPEN", "PAUSED", "AUTH_STOP", "FORCED_OPEN")
)
Epoch = tuple[int, int]
ZERO: Epoch = (0, 0)


class View(NamedTuple):
    """A row as told to a worker."""

    state: str = CLOSED
    epoch: Epoch = ZERO
    until: int = 0
    paused: int = 0
    lease: int = 0
    refused: tuple[int, ...] = ()


class Row(NamedTuple):
    """`breaker_state`; `age` (for the laws) is how long ago it changed, capped beyond BLIND.

    `announced` is False for the row of a restored database: nobody is notified of that. `burnt`
    (for the laws) are the tokens refused since the stop, whatever the row remembers.
    """

    state: str = CLOSED
    epoch: Epoch = ZERO
    until: int = 0
    paused: int = 0
    lease: int = 0
    refused: tuple[int, ...] = ()  # the tokens refused so far
    trials: int = 0
    auth: Epoch = ZERO
    announced: bool = True
    age: int = 0
    burnt: tuple[int, ...] = ()

    def view(self) -> View:
        """What is told to workers."""
        return View(*self[:6])


class Request(NamedTuple):
    """A request from its permit on. `phase`: ask (the grant is on its way), wire, or its outcome.

    `left` is what remains of a probe's deadline, `session` whether its database session lives,
    `late` whether it was admitted after the row had closed the way, `counted` whether it was told.
    """

    kind: str = "plain"
    phase: str = "wire"
    epoch: Epoch = ZERO
    left: int = 0
    session: bool = True
    token: int = 0
    late: bool = False
    counted: bool = False


class Beat(NamedTuple):
    """A beat whose answer is on its way: the row it read, how long ago, what was heard since."""

    view: View
    age: int = 0
    newer: bool = False
    told: bool = True


class Vote(NamedTuple):
    """`breaker_votes` of one worker."""

    streak: int
    quarantined: bool
    epoch: Epoch


class Worker(NamedTuple):
    """A process: its gate's view, its requests, and what the database holds in its name.

    `age` is how long ago a beat was confirmed, blind beyond BLIND; `lock` the probe's session lock
    (0 none, 1 held, 2 held by a session whose client is gone); `alone` what remains of its
    quarantine, NOBODY out of it. For the laws: `told` (it heard of the row as it is), `owed` (what
    remains of a 429 it got itself), `leaked`, `told_tally` (its successes were counted already).
    """

    linked: bool = True
    stalled: bool = False
    view: View = View()
    told: bool = False
    age: int = BLIND + 1
    pause: int = 0
    owed: int = 0
    beat: tuple[Beat, ...] = ()
    requests: tuple[Request, ...] = ()
    tally: tuple[Epoch, ...] = ()
    told_tally: bool = False
    vote: tuple[Vote, ...] = ()
    owner: bool = False
    lock: int = 0
    token: int = 0
    alone: int = NOBODY
    leaked: int = 0


class Faults(NamedTuple):
    """How much bad luck, and how many acts by hand, there may be in one run."""

    crashes: int = 0
    cuts: int = 0
    stalls: int = 0
    lost_answers: int = 0
    restores: int = 0
    acts: int = 0
    tokens: int = 0


class Whole(NamedTuple):
    """Everything."""

    row: Row
    workers: tuple[Worker, ...]
    faults: Faults
    backup: tuple[Row, ...] = ()
    down: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One question: how many workers, which row, which outcomes, how many faults."""

    workers: int
    fail_max: int = 2
    successes: int = 2
    """Trials in a row that close."""
    work: bool = True
    """Workers have requests to send besides trials."""
    trials: bool = True
    recovers: bool = True
    """There must always be a way back to work; never so where nothing can succeed."""
    slots: int = 1
    """Requests that a worker may have at the same time."""
    faults: Faults
    row: Row = Row()  # noqa: RUF009 - a tuple
    host: bool = False
    """The host's row (pauses, tokens) instead of a role's (trips)."""
    outcomes: tuple[str, ...] = ("ok", "fail")
    tallies: bool = False
    """Successes are counted and told with beats."""
    slow_beats: bool = False
    """A beat's answer may be under way for a while."""
    slow_grants: bool = False
    """The answer that grants a trial may be under way for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """What the protocol relies on; the mutation tests switch one off at a time."""

    report_epoch: bool = True
    """A report of another epoch is ignored."""
    trial_epoch: bool = True
    """A trial's end counts only for its own epoch, state and owner."""
    lease: bool = True
    """A trial waits until the lease of the one before is over."""
    session_lock: bool = True
    """A trial waits until the session of the one before has given its lock back."""
    checked_under_lock: bool = True
    """Whether a trial is due is looked at in the transaction that grants it."""
    deadline: bool = True
    """A probe ends at its deadline, before its lease does."""
    deadline_from_asking: bool = True
    """The deadline runs from the question, not from the arrival of the answer."""
    lease_outlives_acts: bool = True
    """Opening and closing by hand, and a trip after that, leave the lease of a trial in flight."""
    blind: bool = True
    """Nothing is granted without a beat for BLIND steps, or after a report was lost."""
    blind_from_asking: bool = True
    """A beat confirms the moment it was asked at, not the moment its answer arrived."""
    newest_wins: bool = True
    """A beat's answer does not undo what was heard after it was asked."""
    own_pause: bool = True
    """A 429's pause holds in its own process until the database has it."""
    tally_epoch: bool = True
    """Successes are told under the epoch they were admitted in."""
    told_once: bool = True
    """What was told and not answered is not told again."""
    votes_end: bool = True
    """Votes of an earlier epoch are forgotten, also when a person opens the breaker."""
    epochs_grow: bool = True
    """No epoch is used twice, not even when an older database was restored."""
    restore_takes_time: bool = True
    """Bringing back an older database takes at least as long as a probe's lease."""
    fingerprint: bool = True
    """An auth stop is tried only with another token than the one refused."""
    remembers: bool = True
    """All tokens refused since the stop are remembered, not only the latest."""
    never_shorten: bool = True
    """A pause ends when the longest one asked for ends."""
