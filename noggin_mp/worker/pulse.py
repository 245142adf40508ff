"""A worker's background threads: the beat (one SQL call a second) and the listener."""

import contextlib
import os
import queue as queues
import random
import select
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from noggin_mp.domain.tip import Tip
from noggin_mp.observe import logs, memory, metrics
from noggin_mp.store import breaker, fleet, queue, session, trouble
from noggin_mp.worker import gate as gates
from noggin_mp.worker import progress

_BUSY_BEAT_S: Final = 1.0
_IDLE_BEAT_S: Final = 2.0
_JITTER: Final = 0.1
_MEMORY_EVERY_S: Final = 5.0

log = logs.get("pulse")


class Pulse:
    """What the main loop learns in the background: wake-ups, the queue's head, suspects.

    `blocked` is what the main loop lets it tell: that the worker's own disk fails.
    """

    def __init__(
        self,
        *,
        pool: session.Pool,
        listen: Callable[[], session.Connection],
        holder: queue.Holder,
        gate: gates.Gate,
        meters: metrics.Metrics,
        inbox: queues.SimpleQueue[Any],
        stopped: threading.Event,
    ) -> None:
        self.head: Sequence[int] = ()
        self.suspects = False
        self.blocked = False
        self.progress = progress.Progress()
        self._pool = pool
        self._listen = listen
        self._holder = holder
        self._gate = gate
        self._meters = meters
        self._inbox = inbox
        self._stopped = stopped
        self._woken = threading.Event()
        self._nudged = threading.Event()  # the beat thread should not wait any longer
        self._deaf = False
        self._beaten_at = 0.0
        self._measured_at = -_MEMORY_EVERY_S
        self._hangup, self._hang_up = os.pipe()  # readable when the listener should end
        self._busy: dict[Tip, float] = {}
        self._guard = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._failure: Exception | None = None

    def start(self, connection: session.Connection) -> None:
        """Beat and listen from now on; `connection` already holds the slot and listens."""
        self._gate.beat_with(self._nudged.set)
        for name, target in (("beat", self._beats), ("listen", lambda: self._notices(connection))):
            thread = threading.Thread(target=self._guarded, args=(target,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _guarded(self, target: Callable[[], None]) -> None:
        try:
            target()
        except Exception as error:
            self._failure = error
            self._inbox.put(None)

    def check(self) -> None:
        """Nothing, while both threads live: without them a worker must not go on.

        Raises: what ended one of them, such as a schema that was changed under us, or a bug.
        """
        if self._failure is not None:
            raise self._failure

    def join(self, timeout_s: float) -> None:
        """Wait for the threads to end, after `stopped` was set."""
        self._nudged.set()
        os.write(self._hang_up, b".")
        for thread in self._threads:
            thread.join(timeout_s)
        if not any(thread.is_alive() for thread in self._threads):
            os.close(self._hangup)
            os.close(self._hang_up)

    def woken(self) -> bool:
        """True once after each wake-up from the queue's channel."""
        if self._woken.is_set():
            self._woken.clear()
            return True
        return False

    def started(self, tip: Tip) -> None:
        """A job thread took this TIP up."""
        with self._guard:
            self._busy[tip] = time.monotonic()
        self.progress.begun(tip)

    def ended(self, tip: Tip) -> None:
        """A job thread is done with this TIP."""
        with self._guard:
            self._busy.pop(tip, None)
        self.progress.ended(tip)

    def beat(self) -> None:
        """One heartbeat, now. Raises: a database error, when it could not be confirmed."""
        with self._guard:
            busy = len(self._busy)
            oldest = min(self._busy, key=self._busy.__getitem__) if self._busy else None
        asked = time.monotonic()
        with self._pool.connection(timeout=2.0) as connection:
            row = breaker.beat(
                connection,
                host=self._holder.host,
                slot=self._holder.slot,
                instance=self._holder.instance,
                boot=self._holder.boot,
                pid=os.getpid(),
                state=self._state(),
                busy=busy,
                tip=oldest,
                votes=self._gate.votes(),
            )
        self._beaten_at = asked
        self._gate.on_beat(row["scopes"], asked=asked)
        self.head = row["head"] or ()
        self.suspects = self.suspects or bool(row["suspects"])
        self._meters.worker_busy(busy, resident_bytes=self._memory(asked))

    def _memory(self, now: float) -> int | None:
        """The memory in use, None most of the time: it need not be known each second."""
        if now - self._measured_at < _MEMORY_EVERY_S:
            return None
        self._measured_at = now
        return memory.resident_bytes(os.getpid())

    def _state(self) -> str:
        if self._stopped.is_set():
            return "stopping"
        return "blocked" if self.blocked else "running"

    def _beats(self) -> None:
        while not self._stopped.is_set():
            try:
                self.beat()
            except trouble.AWAY as error:
                log.debug("beat_missed", error=str(error).splitlines()[0])
            self._nudged.wait(self._pause_s())
            self._nudged.clear()

    def _pause_s(self) -> float:
        """Until the next beat: a worker with nothing in hand may know a little less.

        When it takes something up it asks first (see `Gate.beat_with`), and what opens the gate it
        is told; unless it is deaf.
        """
        usual_s = _BUSY_BEAT_S if self._busy or self._deaf else _IDLE_BEAT_S
        return usual_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - jitter

    def _notices(self, connection: session.Connection) -> None:
        while not self._stopped.is_set():
            try:
                with contextlib.closing(connection):
                    self._hear(connection)
            except trouble.AWAY as error:
                self._deaf = True
                self._nudged.set()
                log.warning("listener_lost", error=str(error).splitlines()[0])
            if not self._stopped.is_set():
                connection = self._reconnected()

    def _hear(self, connection: session.Connection) -> None:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        poll.register(self._hangup, select.POLLIN)
        while not self._stopped.is_set():
            # What has come already first: the socket says nothing of what was read from it before.
            for note in connection.notifies(timeout=0):
                if note.channel == breaker.CHANNEL:
                    self._gate.on_notify(note.payload)
                    self._inbox.put(None)
                else:
                    self.wake()
            poll.poll()

    def wake(self) -> None:
        """Something became ready: the main loop should look at once."""
        self._woken.set()
        self._inbox.put(None)

    def _reconnected(self) -> session.Connection:
        """A new session that holds the slot and listens; the state is read before work resumes."""
        while True:
            self._stopped.wait(random.uniform(0.1, 0.5))  # noqa: S311 - jitter, not a secret
            try:
                connection = self._listen()
                if not fleet.claim_slot(connection, holder=self._holder):
                    # The old session of ours may live on at the server for some seconds.
                    connection.close()
                    continue
                self._gate.reconnected()
                with contextlib.suppress(*trouble.AWAY):
                    self.beat()
            except trouble.AWAY:
                if self._stopped.is_set():
                    raise
                continue
            self._deaf = False
            log.info("listener_back")
            self.wake()
            return connection
