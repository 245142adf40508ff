"""What an outcome means for the fleet, told to the database at once, and for the TIP."""

import http
import math
import threading
from typing import Any, Final, Literal

from noggin_mp.domain import breaker, outcome
from noggin_mp.store import breaker as store
from noggin_mp.worker import standing
from noggin_mp.worker import tally as tallies
from noggin_mp.worker.permits import Permit, Verdict

DOUBT_S: Final = 1.0
"""How long a witness is waited for, and when to try a TIP again whose failure is in doubt."""
_CHARGED: Final = frozenset({"witness", "alone", "throttled", "refused", "forbidden"})


class Verdicts:
    """Reports of one process: tallies of what went well, and a call for each thing that did not."""

    def __init__(self, *, standing: standing.Standing, store: store.Store) -> None:
        self._standing = standing
        self._store = store
        self._order = threading.Lock()  # outcomes reach the database in the order they are counted
        self._tallies = {role: tallies.Tally() for role in outcome.Role}

    def votes(self) -> list[dict[str, Any]]:
        """What went well since the last time, for the beat; told once, even if the beat is lost."""
        with self._standing.lock:
            now = self._standing.clock()
            return [
                self._vote(role, tally.take(now))
                for role, tally in self._tallies.items()
                if tally.ok
            ]

    def _vote(self, role: outcome.Role, counts: store.Tally) -> dict[str, Any]:
        policy = self._standing.policy[role]
        scope = breaker.scope(self._standing.host, role)
        failed_at = self._tallies[role].failed_at
        # Successes trip nothing by themselves; they may complete the sample failures are judged by.
        judge = counts.slow > 0 or self._standing.clock() - failed_at <= policy.window_s
        return {
            "scope": scope,
            "epoch": self._tallies[role].epoch,
            "ok": counts.ok,
            "failed": 0,
            "slow": counts.slow,
            "ok_age_s": counts.ok_age_s,
            "window_s": policy.window_s,
            "policy": policy.as_dict() if judge and policy.mode != "disabled" else None,
        }

    def of(self, permit: Permit, attempt: outcome.Attempt, *, tip: str) -> Verdict:
        """The verdict on the end of an ordinary request."""
        match breaker.classify(attempt.kind):
            case breaker.Sample.SUCCESS:
                return self._succeeded(permit, attempt)
            case breaker.Sample.FAILURE:
                return self._failed(permit, attempt, tip)
            case breaker.Sample.PAUSE:
                return self._paused(permit, attempt, tip)
            case breaker.Sample.AUTH:
                return self._refused(permit, attempt, tip)
            case breaker.Sample.NEUTRAL:
                return self._neutral(permit, attempt, tip)

    def of_probe(
        self, permit: Permit, probe: store.Probe, attempt: outcome.Attempt, *, tip: str
    ) -> Verdict:
        """The verdict on the end of a probe; gives the right to probe back."""
        result: Result = "inconclusive"
        verdict = Verdict(charged=False, why="probe", retry_s=DOUBT_S)
        match breaker.classify(attempt.kind):
            case breaker.Sample.SUCCESS:
                result, verdict = "success", Verdict(charged=True, why="ok")
                self._witness(permit)
            case breaker.Sample.NEUTRAL:  # there was an answer; whether the API is well is open
                verdict = self._neutral(permit, attempt, tip)
            case breaker.Sample.FAILURE:
                result = "failure"
            case breaker.Sample.AUTH:
                result, verdict = "refused", self._refused(permit, attempt, tip)
            case breaker.Sample.PAUSE:
                verdict = self._paused(permit, attempt, tip)
        charge = self.give_back(permit, probe, result, reason=attempt.reason, tip=tip)
        if charge == "alone":
            return Verdict(charged=True, why="alone")
        return verdict

    def give_back(
        self, permit: Permit, probe: store.Probe, result: "Result", *, reason: str, tip: str
    ) -> str:
        """End a probe with its result; the `charge` the database names."""
        try:
            row = probe.done(
                result=result,
                fingerprint=permit.fingerprint,
                tip=tip,
                reason=reason,
                policy=self._standing.policy[permit.role],
            )
        except store.Unreachable:
            self._standing.lose()
            return "blind"
        self._standing.adopt(row)
        return str(row["charge"])

    def decline(self, role: outcome.Role, probe: store.Probe) -> None:
        """Give back a probe whose right came too late to make use of it."""
        try:
            row = probe.done(
                result="inconclusive",
                fingerprint="",
                tip="",
                reason="granted too late",
                policy=self._standing.policy[role],
            )
        except store.Unreachable:
            self._standing.lose()
        else:
            self._standing.adopt(row)

    def _witness(self, permit: Permit) -> None:
        with self._standing.lock:
            begun = self._standing.ok_begun
            begun[permit.role] = max(begun[permit.role], permit.begun)

    def _succeeded(self, permit: Permit, attempt: outcome.Attempt) -> Verdict:
        policy, tally = self._standing.policy[permit.role], self._tallies[permit.role]
        with self._standing.lock:
            slow = policy.slow_call_s is not None and attempt.duration_s > policy.slow_call_s
            current = self._standing.rows.row(permit.scope).epoch == permit.epoch
            if current:  # what was admitted before an outage says nothing about the time after it
                tally.add(permit.begun, slow=slow, epoch=permit.epoch)
            self._witness(permit)
            alone = self._standing.alone[permit.role]
            if not alone.open:
                alone.streak = 0
            seeing = not self._standing.blind(self._standing.clock())
            note = current and tally.streak and seeing
        if note:
            with self._order:
                self._end_streak(permit, policy, tally)
        return Verdict(charged=True, why="ok")

    def _end_streak(self, permit: Permit, policy: breaker.Policy, tally: tallies.Tally) -> None:
        with self._standing.lock:
            if not tally.streak:
                return
            tally.streak, epoch = False, tally.epoch
            counts = tally.take(self._standing.clock())
        try:
            self._store.recovered(scope=permit.scope, epoch=epoch, tally=counts, policy=policy)
        except store.Unreachable:
            self._standing.lose()

    def _failed(self, permit: Permit, attempt: outcome.Attempt, tip: str) -> Verdict:
        state, policy = self._standing, self._standing.policy[permit.role]
        ended = state.clock()
        if policy.mode == "disabled":
            return Verdict(charged=True, why="disabled")
        if state.blind(ended):
            return self._unheard(permit, policy)
        with self._order:
            with state.lock:
                slow = policy.slow_call_s is not None and attempt.duration_s > policy.slow_call_s
                counts = self._tallies[permit.role].fail(ended, slow=slow, epoch=permit.epoch)
            try:
                row = self._store.report(
                    scope=permit.scope,
                    epoch=permit.epoch,
                    tip=tip,
                    reason=attempt.reason,
                    tally=counts,
                    policy=policy,
                )
            except store.Unreachable:
                state.lose()
                return self._unheard(permit, policy)
            state.adopt(row)
        return self._settled(permit, policy, str(row["charge"]), ended)

    def _settled(
        self, permit: Permit, policy: breaker.Policy, charge: str, ended: float
    ) -> Verdict:
        state = self._standing
        with state.lock:
            alone = state.alone[permit.role]
            if charge in ("doubt", "witness", "alone", "unconnected"):
                alone.failed(policy, now=ended, random=state.random(), alone=False)
            elif charge == "quarantine" and not alone.open:
                alone.confine(policy, now=ended, random=state.random())
            if charge == "doubt":
                charge = self._await_witness(permit, ended)
            state.lock.notify_all()
        if charge in _CHARGED:
            return Verdict(charged=True, why=charge)
        return Verdict(charged=False, why=charge, retry_s=DOUBT_S)

    def _await_witness(self, permit: Permit, ended: float) -> str:
        """`witness` once a request begun after `ended` succeeds; `doubt` when none can or does.

        A request of this process: others' successes say nothing about our own network.
        """
        state, deadline = self._standing, ended + DOUBT_S
        while True:
            now = state.clock()
            if state.rows.row(permit.scope).epoch != permit.epoch:
                return "stale"  # somebody else tripped meanwhile
            if state.ok_begun[permit.role] > ended:
                return "witness"
            if now >= deadline or state.in_flight[permit.role] == 0:
                return "doubt"
            state.lock.wait(deadline - now)

    def _unheard(self, permit: Permit, policy: breaker.Policy) -> Verdict:
        """A failure nobody can be told of: this process's own breaker counts it."""
        state = self._standing
        with state.lock:
            state.alone[permit.role].failed(
                policy, now=state.clock(), random=state.random(), alone=True
            )
        return Verdict(charged=False, why="blind", retry_s=DOUBT_S)

    def _neutral(self, permit: Permit, attempt: outcome.Attempt, tip: str) -> Verdict:
        """The record's own matter; but 403s in a row may come from the token."""
        if attempt.status != http.HTTPStatus.FORBIDDEN:
            return Verdict(charged=True, why="final")
        state = self._standing
        with state.lock:
            age_s = state.clock() - max(state.ok_begun.values())
        try:
            row = self._store.forbidden(
                scope=state.host,
                epoch=permit.host_epoch,
                fingerprint=permit.fingerprint,
                tip=tip,
                ok_age_s=None if math.isinf(age_s) else age_s,
            )
        except store.Unreachable:
            state.lose()
            return Verdict(charged=False, why="blind", retry_s=DOUBT_S)
        state.adopt(row)
        charge = str(row["charge"])
        return Verdict(charged=charge in _CHARGED, why=charge, retry_s=DOUBT_S)

    def _paused(self, permit: Permit, attempt: outcome.Attempt, tip: str) -> Verdict:
        state = self._standing
        seconds = breaker.pause_seconds(state.policy[permit.role], attempt.retry_after_s)
        until = state.pause(seconds, attempt.reason)
        charge = "paused"
        try:
            row = self._store.pause(
                scope=state.host, seconds=seconds, tip=tip, reason=attempt.reason
            )
            state.paused(until, row)
            charge = str(row["charge"])
        except store.Unreachable:
            state.lose()
        return Verdict(charged=charge in _CHARGED, why=charge, retry_s=seconds)

    def _refused(self, permit: Permit, attempt: outcome.Attempt, tip: str) -> Verdict:
        state = self._standing
        try:
            row = self._store.auth_stop(
                scope=state.host,
                epoch=permit.host_epoch,
                fingerprint=permit.fingerprint,
                tip=tip,
                reason=attempt.reason,
            )
        except store.Unreachable:
            state.refuse(permit.fingerprint, attempt.reason)
            state.lose()
            return Verdict(charged=False, why="auth_stop", retry_s=DOUBT_S)
        state.adopt(row)
        charge = str(row["charge"])
        return Verdict(charged=charge in _CHARGED, why=charge, retry_s=DOUBT_S)


Result = Literal["success", "failure", "refused", "inconclusive"]
