"""Reloads: a configuration is read and tried apart, then told to the children, or rolled.

A faulty one changes nothing; one that fails on its way is taken back. Reloads asked for meanwhile
become one, which begins when the present one is over.
"""

import selectors
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from noggin_mp.domain import child, errors, fleet, rollout, slots
from noggin_mp.observe import logs
from noggin_mp.settings import diff, schema
from noggin_mp.supervisor import checking, contexts, crew, holdings, running

EVENT = "reload"
"""What the selector tells: the process that checks has said something."""

log = logs.get("supervisor")


class State(StrEnum):
    """Where a reload stands; the values are in supervisor.json."""

    NONE = "none"
    CHECKING = "checking"
    APPLYING = "applying"
    RETURNING = "returning"
    APPLIED = "applied"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a reload ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    INVALID = "invalid"
    ROLLED_BACK = "rolled_back"


_WELL = (Outcome.APPLIED, Outcome.UNCHANGED)


class Finished(Protocol):
    """Is told that a reload is over."""

    def __call__(self, ok: bool, detail: Mapping[str, object], *, more: bool) -> None:
        """`detail`: `result`, `version`, `changed`, and `error` if not `ok`."""


class Reloads:
    """One reload at a time; `settings` are the ones in effect.

    `finished(ok, detail, more)` is called once for each reload; `more`: another one follows.
    """

    def __init__(
        self,
        settings: schema.Settings,
        *,
        options: contexts.Options,
        fleet_: fleet.Fleet,
        crew_: crew.Crew,
        held: holdings.Holdings,
        finished: Finished,
    ) -> None:
        self.settings = settings
        self._options = options
        self._source = options.source
        self._fleet = fleet_
        self._crew = crew_
        self._held = held
        self._rules = options.rules_for
        self._finished = finished
        self._state = State.NONE
        self._number = 0
        self._again = False
        self._at: float | None = None
        self._error: str | None = None
        self._last: Mapping[str, object] | None = None
        self._check: checking.Check | None = None
        self._found = checking.Finding()
        self._before = settings
        self._rollout: rollout.Rollout | None = None
        source = options.source or contexts.Source(read=lambda: settings)
        self._publication = running.Publication(
            file=source.file, pinned=source.pinned, salt=held.instance
        )
        self._publish(source.texts())

    @property
    def possible(self) -> bool:
        """False for a run that reads its configuration once."""
        return self._source is not None

    @property
    def said(self) -> dict[str, object]:
        """What supervisor.json says of the configuration."""
        return {
            "config_error": self._error,
            "config_version": self._fleet.generation + 1,
            "reload": {
                "state": self._state,
                "number": self._number,
                "at": self._at,
                "last": self._last,
            },
        }

    @property
    def _busy(self) -> bool:
        return self._check is not None or self._rollout is not None

    def ask(self, now: float) -> None:
        """Reload; when a reload goes on, another one will follow it."""
        if self._source is None or self._fleet.phase is fleet.Phase.DRAINING:
            return
        if self._busy:
            self._again = True
        else:
            self._begin(now)

    def turn(self, now: float) -> None:
        """Go on with what is due."""
        self._publication.look(now)
        if self._fleet.phase is fleet.Phase.DRAINING:
            self.close()
            return
        if self._check is not None:
            found = self._look(now)
            if found is not None:
                self._took(found, now)
        if self._rollout is not None:
            self._advance(self._rollout, now)
        if self._again and not self._busy:
            self._again = False
            self._begin(now)

    def close(self) -> None:
        """End what goes on, because the fleet ends."""
        if self._check is not None:
            self._held.selector.unregister(self._check.fd)
            self._check.close()
            self._check = None
        if self._state in (State.CHECKING, State.APPLYING, State.RETURNING):
            self._rollout = None
            self._end(Outcome.INVALID, error="the fleet is stopping", state=State.FAILED)
        self._again = False

    # -- what children say and do -----------------------------------------------------------------

    def applied(self, slot: slots.Slot, version: int) -> None:
        """A child has taken the settings of this version over."""
        if slot.generation < version <= self._fleet.generation:
            slot.generation = version

    def fatal(self, slot: slots.Slot, error: errors.NogginError) -> bool:
        """True when a child's fatal error is the fault of new settings, and not the fleet's end."""
        if slot.generation not in self._fleet.unproven:
            return False
        if self._rollout is not None and slot.generation == self._rollout.generation:
            self._rollout.failed(str(error))
        return True

    def ended(self, slot: slots.Slot, exit_: slots.Exit) -> None:
        """A child has ended; asked before its slot forgets it."""
        if self._rollout is not None:
            halting = exit_.code in fleet.HALTING_CODES
            self._rollout.ended(slot, exit_, halting=halting)

    # -- one reload -------------------------------------------------------------------------------

    def _begin(self, now: float) -> None:
        source, before = self._source, self.settings
        refused = {diff.Liveness.FIXED}
        if self._options.limit is not None:  # a successor would begin its share anew
            refused.add(diff.Liveness.ROLLED)
        assert source is not None
        self._number += 1
        self._note(State.CHECKING)
        if self._fleet.phase is fleet.Phase.RUNNING:
            self._held.notifier.reloading()
        try:
            self._check = checking.Check(
                lambda: checking.examine(before, source, refused=refused),
                release=self._crew.forsake,
                now=now,
            )
        except OSError as error:
            self._refused(f"no process to check the configuration: {error.strerror}")
            return
        self._held.selector.register(self._check.fd, selectors.EVENT_READ, (EVENT, ""))

    def _look(self, now: float) -> checking.Finding | None:
        check = self._check
        assert check is not None
        fd = check.fd
        found = check.answer(now)
        if found is not None:
            self._held.selector.unregister(fd)
            self._check = None
        return found

    def _took(self, found: checking.Finding, now: float) -> None:
        """Apply what the check found fit, or say why not."""
        if found.settings is None:
            self._refused(found.error)
            return
        rolled = diff.whole(found.changes) is diff.Liveness.ROLLED
        way = rollout.Way.ROLLED if rolled else rollout.Way.LIVE
        self._found, self._before = found, self.settings
        self._use(found.settings, now)
        self._rollout = rollout.begin(self._fleet, way, rules=self._rules(found.settings), now=now)
        self._note(State.APPLYING)
        if not rolled:
            told = found.settings.with_types(None)  # they have them, and they are large
            body = {"version": self._rollout.generation, "settings": told}
            self._crew.order_all(child.Order(name=child.SETTINGS, body=body))

    def _advance(self, going: rollout.Rollout, now: float) -> None:
        match going.verdict(self._fleet, now=now):
            case rollout.Verdict.SILENT:
                silent = [slot.name for slot in self._fleet if slot.generation < going.generation]
                log.warning("settings_not_taken_over", children=silent)
                rollout.replace_silent(self._fleet, going)
            case rollout.Verdict.FAILED:
                log.warning("config_returning", reason=going.failure)
                self._note(State.RETURNING)
                self._use(self._before, now)
                self._rollout, signals = rollout.turn_back(
                    self._fleet, going, rules=self._rules(self._before), now=now
                )
                for signal in signals:
                    self._crew.signal(signal.slot, signal.sign)
            case rollout.Verdict.DONE if going.way is rollout.Way.RETURNED:
                self._rollout = None
                error = checking.taken_back(self._found, going.failure)
                self._end(Outcome.ROLLED_BACK, error=error)
            case rollout.Verdict.DONE:
                self._rollout = None
                rollout.succeeded(self._fleet, going)
                self._publish(self._found.texts)
                if self._source is not None:
                    self._source.accept(self._found.said)
                self._end(Outcome.APPLIED if self._found.changes else Outcome.UNCHANGED)

    def _use(self, settings: schema.Settings, now: float) -> None:
        self.settings = settings
        logs.configure(**settings.log_options)
        if self._options.limit is None:
            self._fleet.resize(settings.fleet.workers, now=now)

    def _refused(self, error: str) -> None:
        self._end(Outcome.INVALID, error=error)

    def _end(
        self, outcome: Outcome, *, error: str | None = None, state: State | None = None
    ) -> None:
        """The reload is over: tell everybody, once."""
        ok = outcome in _WELL
        changed = [change.key for change in self._found.changes] if ok else []
        self._note(state or (State.APPLIED if ok else State.FAILED))
        self._error = error
        version = self._fleet.generation + 1
        self._last = {
            "number": self._number,
            "outcome": outcome,
            "error": error,
            "version": version,
            "changed": changed,
            "at": self._at,
        }
        if ok:
            log.info("config_applied", version=version, changed=changed, result=outcome)
        else:
            log.error("config_rejected", reason=error, result=outcome)
        detail = {"result": outcome, "version": version, "error": error, "changed": changed}
        told = {name: value for name, value in detail.items() if value is not None}
        self._finished(ok, told, more=self._again)
        if self._fleet.phase is fleet.Phase.RUNNING:  # a start is over when a worker is at work
            self._held.notifier.ready(error or "configuration applied")

    def _note(self, state: State) -> None:
        self._state, self._at = state, time.time()

    def _publish(self, texts: Mapping[str, str]) -> None:
        version = self._fleet.generation + 1
        self._publication.publish(self.settings, version=version, texts=texts)

    def withdraw(self) -> None:
        """The fleet has ended: nobody runs with this configuration any more."""
        self._publication.withdraw()
