"""The leader tells people what changed, by itself, in a thread that is in nobody's way."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from noggin_mp.domain import notices
from noggin_mp.gateway.outgoing import Delivery, Message
from noggin_mp.monitor import channels, samples
from noggin_mp.monitor.maintenance import Every
from noggin_mp.observe import logs
from noggin_mp.settings.notifying import Notify
from noggin_mp.store import notices as store
from noggin_mp.store import reports, session, trouble

TURN_S: Final = 2.0
MOST_AT_ONCE: Final = 20
"""Notices sent in one turn at most; the rest waits in the table."""
MOST_ATTEMPTS: Final = 10
LAST_WORDS_S: Final = 10.0
_AGAIN_S: Final = 30.0
_LONGEST_AGAIN_S: Final = 3600.0
_PRUNE_S: Final = 3600.0

log = logs.get("notices")

Channels = Callable[[Notify], Sequence[channels.Channel]]


class Notifier:
    """Runs in one thread of the monitor; does nothing unless this host leads and `notify.on` asks.

    `notify` gives the section as of now, `leading` tells whether this host leads.
    """

    def __init__(
        self,
        *,
        connect: Callable[[str], session.Connection],
        sampler: samples.Sampler,
        leading: Callable[[], bool],
        notify: Callable[[], Notify],
        host: str,
        stopping: Callable[[], bool],
        wait: Callable[[float], bool],
        ways: Channels = channels.channels,
    ) -> None:
        self._connect = connect
        self._sampler = sampler
        self._leading = leading
        self._notify = notify
        self._host = host
        self._stopping = stopping
        self._wait = wait
        self._ways = ways
        self._seen = 0.0
        self._prune = Every(_PRUNE_S)

    def run(self) -> None:
        """Until stopped; a lost database is waited for, and a fault of ours ends only this."""
        try:
            while not self._stopping():
                if not self._active():
                    self._wait(TURN_S)
                    continue
                with contextlib.suppress(*trouble.AWAY):
                    self._work()
                self._wait(TURN_S)
        except Exception:
            log.exception("notices_ended")

    def _active(self) -> bool:
        return bool(self._notify().on) and self._leading()

    def _work(self) -> None:
        with contextlib.closing(self._connect("notices")) as connection:
            # What was sampled before we led may be older than what our predecessor noted.
            self._seen = time.monotonic()
            while not self._stopping() and self._active():
                self.turn(connection)
                self._wait(TURN_S)

    def turn(self, connection: session.Connection) -> None:
        """Note what changed since the last sample, and send what waits."""
        sample = self._sampler.latest
        if sample is not None and sample.taken_at > self._seen:
            self._note(connection, sample)
            self._seen = sample.taken_at
        self._send_waiting(connection)
        if self._prune.due():
            store.prune(connection)

    def _send_waiting(self, connection: session.Connection) -> None:
        for _ in range(MOST_AT_ONCE):
            waiting = None if self._stopping() else store.claim(connection)
            if waiting is None:
                break
            self._send(connection, waiting)

    def last_words(self) -> None:
        """Tell that the queue has run empty, now: this process is about to end with its fleet.

        Takes no longer than `LAST_WORDS_S`, whatever database and servers do.
        """
        if not self._active() or notices.Kind.DRAINED not in self._notify().on:
            return
        speaker = threading.Thread(target=self._say_last_words, name="last words", daemon=True)
        speaker.start()
        speaker.join(LAST_WORDS_S)

    def _say_last_words(self) -> None:
        with (
            contextlib.suppress(*trouble.AWAY),
            contextlib.closing(self._connect("notices")) as connection,
        ):
            found = reports.snapshot(connection)
            self._write(connection, notices.work(found.tips, found.queue), [notices.Kind.DRAINED])
            self._send_waiting(connection)

    def _note(self, connection: session.Connection, sample: samples.Sample) -> None:
        on = self._notify().on
        so = notices.conditions(_facts(sample, store.hosts(connection)))
        self._write(connection, [one for one in so if one.kind in on], on)

    def _write(
        self, connection: session.Connection, so: Sequence[notices.Condition], kinds: Sequence[str]
    ) -> None:
        """Note how `so` differs from what was noted last of these kinds."""
        notify = self._notify()
        noted = store.note(
            connection,
            lambda told: notices.changes(so, told, cooldown_s=notify.cooldown_s),
            kinds=kinds,
            host=self._host,
            channels=[one.name for one in self._ways(notify)],
        )
        for one in noted:
            if not one.silent:
                log.info("notice_noted", kind=one.kind, subject=one.subject, number=one.level)

    def _send(self, connection: session.Connection, waiting: store.Waiting) -> None:
        """Try the channels that are left; what failed is tried again, later and later."""
        started = time.monotonic()
        ready = {one.name: one for one in self._ways(self._notify())}
        message = _message(waiting)
        done = [ready[name].send(message) for name in waiting.channels if name in ready]
        failed = [one for one in done if not one.ok]
        for one in done:
            _tell(waiting, one, seconds=time.monotonic() - started)
        over = waiting.attempts >= MOST_ATTEMPTS
        if failed and over:
            log.error("notice_given_up", kind=waiting.notice.kind, attempts=waiting.attempts)
        store.outcome(
            connection,
            waiting,
            left=[] if over else [one.channel for one in failed],
            error="; ".join(f"{one.channel}: {one.told}" for one in failed) or None,
            again_s=min(_LONGEST_AGAIN_S, _AGAIN_S * 2.0 ** (waiting.attempts - 1)),
        )


def _facts(sample: samples.Sample, hosts: list[dict[str, Any]]) -> dict[str, Any]:
    snapshot = sample.snapshot
    return {
        "breakers": snapshot.breakers,
        "hosts": hosts,
        "tips": snapshot.tips,
        "queue": snapshot.queue,
        "paused": snapshot.paused,
        "pause_reason": snapshot.pause_reason,
        "stalled": sample.numbers["stalled"],
    }


def _message(waiting: store.Waiting) -> Message:
    line = notices.subject_line(waiting.notice)
    text = f"{waiting.notice.text}\n\nnoggin-mp, told by host {waiting.host}"
    return Message(subject=f"[noggin-mp] {line}", text=text, brief=waiting.notice.text)


def _tell(waiting: store.Waiting, done: Delivery, *, seconds: float) -> None:
    fields = {"kind": waiting.notice.kind, "channel": done.channel, "attempt": waiting.attempts}
    if done.ok:
        log.info("notice_sent", **fields, seconds=round(seconds, 2))
    else:
        log.warning("notice_not_sent", **fields, error=done.told, remedy=done.remedy)
