"""The product's own decisions, as the model calls them: nothing is decided twice.

`domain.breaker` and `domain.holds` are called with the model's numbers; answers are remembered,
for the checker asks the same question a hundred thousand times.
"""

import functools
import math

from noggin_mp.domain import breaker, holds, outcome
from noggin_mp.domain.breaker import Event, State
from tests.model import shapes
from tests.model.shapes import View

HOST = "api.example"
ROLE = outcome.Role.API
NOW = 1_700_000_000.0
KINDS = {
    "ok": outcome.Kind.SUCCESS,
    "fail": outcome.Kind.SERVER_ERROR,
    "429": outcome.Kind.RATE_LIMITED,
    "429 for longer": outcome.Kind.RATE_LIMITED,
    "401": outcome.Kind.AUTH,
    "404": outcome.Kind.NOT_FOUND,
}


@functools.cache
def move(state: str, event: Event) -> str:
    """By `breaker.move`. Raises: breaker.IllegalMove."""
    return breaker.move(State(state), event).value


@functools.cache
def sample(name: str) -> breaker.Sample:
    """What an outcome counts as."""
    return breaker.classify(KINDS[name])


def _row(view: View, host: bool) -> holds.Row:
    # The view of a half-open row tells the end of the lease.
    until = view.lease if view.state == State.HALF_OPEN else view.until
    return holds.Row(
        scope=HOST if host else breaker.scope(HOST, ROLE),
        state=State(view.state),
        epoch=view.epoch[0],
        until=float(until),
        paused_until=float(view.paused) if view.paused else -math.inf,
        fingerprint=" ".join(map(str, view.refused)) or None,
    )


@functools.cache
def effective(state: str, until: int, paused: int) -> str:
    """The state that holds, by `holds.Row.at`."""
    return _row(View(state=state, until=until, paused=paused), False).at(0.0).value


@functools.cache
def hold(view: View, host: bool, token: int) -> tuple[bool, bool]:
    """By `holds.Rows.hold`: are ordinary requests held, and is a trial due (of a token too)?"""
    rows = holds.Rows(HOST)
    rows.adopt(_row(view, host), 0.0)
    found = rows.hold(ROLE, 0.0, str(token))
    if found is None:
        return False, False
    due = found.until if found.probe is not None else found.exam_at
    return True, due is not None and due <= 0.0


@functools.cache
def newer(known: int, epoch: int) -> bool:
    """By `holds.Rows.adopt`: is a row of this epoch taken over from one that is known?"""
    rows = holds.Rows(HOST)
    rows.adopt(_row(View(epoch=(known, 0)), False), 0.0)
    told = _row(View(state=shapes.OPENED, epoch=(epoch, 0)), False)
    rows.adopt(told, 0.0)
    return rows.row(told.scope) is told


@functools.cache
def decide(votes: tuple[tuple[int, bool], ...], own: int, fail_max: int) -> str:
    """By `breaker.decide`: what (streak, quarantined) of all workers come to."""
    policy, known = breaker.Policy(fail_max=fail_max, sample_size=1000), {}
    for number, (streak, quarantined) in enumerate(votes):
        if streak >= 0:
            vote = breaker.Vote(streak=streak, quarantined=quarantined, at_s=NOW)
            vote.buckets[breaker.bucket(policy, NOW)] = [0 if streak else 1, streak, 0]
            known[str(number)] = vote
    found = breaker.decide(known, worker=str(own), busy=0, policy=policy, now_s=NOW)
    return found.value
