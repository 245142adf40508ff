"""What people ask of a supervisor, by signals and by requests from any host."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping

from noggin_mp.domain import child, fleet
from noggin_mp.observe import logs
from noggin_mp.supervisor import contexts, crew, requests, scaling, telling

_LOGGED = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})

log = logs.get("supervisor")


class Commands:
    """Turns what is asked into words to the fleet's policy and orders to its children.

    `reload` and `carry_out` are the loop's: read the configuration again; do these actions now.
    """

    def __init__(
        self,
        *,
        fleet_: fleet.Fleet,
        crew_: crew.Crew,
        telling_: telling.Telling,
        options: contexts.Options,
        reload: Callable[[float], None],
        carry_out: Callable[[Iterable[fleet.Action], float], None],
    ) -> None:
        self.leasing = True
        self.requests = requests.Requests(send=crew_.order_monitor)
        self.scaling = scaling.Scaling(fleet_, answer=self.requests.answer)
        self._fleet = fleet_
        self._crew = crew_
        self._telling = telling_
        self._options = options
        self._reload = reload
        self._carry_out = carry_out

    def obey(self, number: signal.Signals, now: float) -> None:
        """Act on a signal that was noted; CHLD is dealt with elsewhere."""
        if number in _LOGGED:
            log.info("signal_received", signal=number.name)
        resizable = self._options.limit is None
        match number:
            case signal.SIGTERM:
                self._fleet.drain(now=now, exit_code=0, reason="asked by SIGTERM")
            case signal.SIGINT:
                self._carry_out(self._fleet.interrupted(now=now), now)
            case signal.SIGQUIT:
                self._carry_out(self._fleet.abort(now=now), now)
            case signal.SIGHUP:
                self._reload(now)
            case signal.SIGUSR1:
                logs.reopen()
                self._crew.order_all(child.Order(name=child.REOPEN_LOGS))
            case signal.SIGUSR2:
                self._telling.dump(self._fleet, now)
            case signal.SIGTTIN if resizable:
                self._resize(self._fleet.target + 1, now)
                self.scaling.overtaken("SIGTTIN")
            case signal.SIGTTOU if resizable:
                self._resize(max(1, self._fleet.target - 1), now)
                self.scaling.overtaken("SIGTTOU")
            case signal.SIGWINCH if not _on_a_terminal():
                self._pause_or_resume()

    def request(self, message: Mapping[str, object], now: float) -> None:
        """Do what a person on some host asked of this one, and answer; once for each id."""
        asked = self.requests.take(message)
        if asked is None:
            return
        log.info("request_received", id=asked.id, verb=asked.verb, n=asked.n, reason=asked.reason)
        answer = self.requests.answer
        if self._fleet.phase is fleet.Phase.DRAINING and asked.verb != requests.Verb.DRAIN:
            answer(asked.id, ok=False, error="this fleet is stopping")
            return
        match asked.verb:
            case requests.Verb.DRAIN:
                why = f"asked by fleet drain: {asked.reason or 'no reason given'}"
                self._fleet.drain(now=now, exit_code=0, reason=why)
                answer(asked.id, ok=True, state=str(self._fleet.phase))
            case requests.Verb.SCALE if self._options.limit is not None:
                answer(asked.id, ok=False, error="a run with --limit keeps its workers")
            case requests.Verb.SCALE:
                self._resize(asked.n, now)
                self.scaling.wants(asked.id, asked.n, who=asked.who)  # and answers in time
            case requests.Verb.RELOAD if self._options.source is None:
                answer(asked.id, ok=False, error="this run cannot reload")
            case requests.Verb.RELOAD:
                self._reload(now)  # which answers when it is over

    def _resize(self, workers: int, now: float) -> None:
        """Want so many workers until the next reload; who was parked may try again."""
        workers = min(workers, requests.MOST_WORKERS)
        self._fleet.resize(workers, now=now)
        self._fleet.unpark(now=now)
        log.info("fleet_resized", workers=workers)

    def _pause_or_resume(self) -> None:
        self.leasing = not self.leasing
        self._crew.lease(self.leasing)
        log.warning("leasing_resumed" if self.leasing else "leasing_paused")


def _on_a_terminal() -> bool:
    """True when WINCH may mean that somebody has changed the size of a window."""
    return os.isatty(0) or os.isatty(2)
