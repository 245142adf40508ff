"""The test of a token: one request, when nobody knows whether the API still takes it."""

import http
import math

from noggin_mp.domain import breaker, outcome
from noggin_mp.store import breaker as store
from noggin_mp.worker import standing, verdicts
from noggin_mp.worker.permits import Permit

ROLE = outcome.Role.API


class Exams:
    """The gate's side of it: who may make the request, and what its end means for the fleet."""

    def __init__(
        self, *, standing: standing.Standing, store: store.Store, verdicts: verdicts.Verdicts
    ) -> None:
        self._standing = standing
        self._store = store
        self._verdicts = verdicts

    def due(self) -> bool:
        """True when the token in use may be tried: it was never refused since the fleet stopped."""
        state = self._standing
        with state.lock:
            now = state.clock()
            hold = state.hold(ROLE, now)
            if hold is None or hold.exam_at is None:
                return False
            return max(hold.exam_at, state.next_try.get(state.host, -math.inf)) <= now

    def begin(self) -> tuple[Permit, store.Probe] | None:
        """The right to make the one request of the whole fleet; None when others have it."""
        state = self._standing
        fingerprint, row, probe, asked = state.fingerprint(), None, None, state.clock()
        try:
            row, probe = self._store.try_probe(
                scope=state.host, fingerprint=fingerprint, policy=state.policy[ROLE]
            )
        except store.Unreachable:
            state.lose()
        with state.lock:
            pause_s = standing.PROBE_EVERY_S * (0.8 + 0.4 * state.random())
            state.next_try[state.host] = state.clock() + pause_s
            if row is not None:
                state.adopt(row)
        state.flush()
        begun = state.clock()
        # The lease runs since about when it was asked for, and so does the deadline.
        left_s = state.policy[ROLE].probe_deadline_s - (begun - asked)
        if probe is None:
            return None
        if left_s <= 0:
            self._verdicts.decline(ROLE, probe)
            return None
        permit = Permit(
            number=0,
            role=ROLE,
            scope=state.host,
            epoch=probe.row["epoch"],
            host_epoch=probe.row["epoch"],
            begun=begun,
            fingerprint=fingerprint,
            probe=True,
            deadline_s=left_s,
        )
        return permit, probe

    def end(
        self,
        permit: Permit,
        probe: store.Probe,
        result: verdicts.Result,
        *,
        reason: str,
        tip: str = "",
    ) -> None:
        """Tell the fleet the result; gives the right back. Raises nothing: the gate goes blind."""
        self._verdicts.give_back(permit, probe, result, reason=reason, tip=tip)
        self._standing.flush()

    def heed(self, permit: Permit, attempt: outcome.Attempt, *, tip: str) -> None:
        """Obey an answer that asks for patience; after `end`, which is about the same row."""
        if breaker.classify(attempt.kind) is breaker.Sample.PAUSE:
            self._verdicts.of(permit, attempt, tip=tip)
            self._standing.flush()


def result(attempt: outcome.Attempt, *, known: bool) -> verdicts.Result:
    """What the answer says of the token; a `known` record was fetched whole before.

    A record nobody has seen yet may be forbidden for its own sake.
    """
    match breaker.classify(attempt.kind):
        case breaker.Sample.SUCCESS:
            return "success"
        case breaker.Sample.AUTH:
            return "refused"
        case breaker.Sample.NEUTRAL:
            forbidden = attempt.status == http.HTTPStatus.FORBIDDEN
            return "refused" if known and forbidden else "success"
        case _:
            return "inconclusive"
