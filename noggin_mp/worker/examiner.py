"""Makes the test request of a token, on a record whose state it does not touch."""

import threading
import time
from collections.abc import Callable

from noggin_mp.domain import errors, outcome
from noggin_mp.domain.object_types import Catalogue
from noggin_mp.gateway import http, objects
from noggin_mp.observe import logs, metrics
from noggin_mp.store import breaker, records, session, trouble
from noggin_mp.worker import exams, verdicts
from noggin_mp.worker import gate as gates

log = logs.get("examiner")


class Examiner:
    """Tries the token, when the gate says so, in a thread of its own: the main loop must not wait.

    `pacer` limits count for this request as for any other.
    """

    def __init__(
        self,
        *,
        gate: gates.Gate,
        client: http.Client,
        pool: session.Pool,
        catalogue: Catalogue,
        meters: metrics.Metrics,
        stopping: Callable[[], bool],
    ) -> None:
        self._gate = gate
        self._client = client
        self._pool = pool
        self._catalogue = catalogue
        self._meters = meters
        self._stopping = stopping
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin the test if one is due; returns at once."""
        busy = self._thread is not None and self._thread.is_alive()
        if not busy and self._gate.exams.due():
            self._thread = threading.Thread(target=self._try, name="examiner", daemon=True)
            self._thread.start()

    def _try(self) -> None:
        pacer = self._gate.pacer
        if not pacer.take(exams.ROLE, cancelled=self._called_off, give_up_s=60.0):
            return
        try:
            granted = self._gate.exams.begin()
            if granted is not None:
                self._examine(*granted)
        finally:
            pacer.leave(exams.ROLE)

    def _called_off(self) -> bool:
        return self._stopping() or not self._gate.exams.due()

    def _examine(self, permit: gates.Permit, probe: breaker.Probe) -> None:
        """The request and its end; what goes wrong on our side teaches nothing."""
        result: verdicts.Result = "inconclusive"
        attempt, tip, reason = None, "", "not sent"
        try:
            with self._pool.connection() as connection:
                subject = records.known_good(connection)
            if subject is not None:
                tip, attempt = subject.tip, self._ask(subject, permit)
            if subject is None or attempt is None:
                result, reason = "success", "there is nothing to try the token on"
            else:
                result = exams.result(attempt, known=subject.known)
                reason = attempt.reason
        except (*trouble.AWAY, errors.NogginError, http.Cancelled) as error:
            reason = str(error) or type(error).__name__
        finally:
            self._gate.exams.end(permit, probe, result, reason=reason, tip=tip)
        if attempt is not None:
            self._gate.exams.heed(permit, attempt, tip=tip)
        log.info("token_tried", result=result, reason=reason, tip=tip or None)

    def _ask(self, subject: records.Subject, permit: gates.Permit) -> outcome.Attempt | None:
        """The answer; None for a record of which nobody knows the type, and so not the address."""
        type_ = self._catalogue.find(subject.object_code, subject.object_type)
        if type_ is None:
            return None
        overdue = permit.begun + (permit.deadline_s or 0.0)
        self._meters.probe(permit.scope)

        def called_off() -> bool:
            if time.monotonic() > overdue:
                http.overdue()
            return self._stopping()

        return objects.fetch(
            self._client,
            endpoint=type_.endpoint,
            tip=subject.tip,
            cancelled=called_off,
            resend=lambda _: False,  # one request is one
        ).attempt
