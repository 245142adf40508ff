"""A host's presence in the fleet: it signs in, beats, takes requests, brings answers, signs off.

One session does all of it and holds the host's name: what is asked of the host is taken once, and
a second monitor under the same name is refused.
"""

import contextlib
import json
import os
import queue as queues
import random
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from noggin_mp.domain import errors
from noggin_mp.observe import logs
from noggin_mp.store import fleet, requests, session, trouble

_BEAT_S: Final = 2.0
_CLAIM_S: Final = 1.0
_FROZEN_S: Final = 15.0
_LAST_CALL_S: Final = 1.0
_FOREIGN_BEATS: Final = 3
_LONGEST_S: Final = 366 * 86_400.0
_TOLD: Final = ("config_error", "config_version", "listening", "paused")

Tell = Callable[[str, Mapping[str, object]], None]

log = logs.get("presence")


class Presence:
    """Runs in one thread of the monitor; `heard` and `close` are for the main thread.

    `facts` and `age_s` tell of the supervisor; `tell` reaches it, None where there is none.
    """

    def __init__(
        self,
        *,
        connect: Callable[[str], session.Connection],
        who: requests.Identity,
        facts: Callable[[], Mapping[str, Any]],
        age_s: Callable[[], float],
        tell: Tell | None,
        stopping: Callable[[], bool],
        wait: Callable[[float], bool],
    ) -> None:
        self._connect = connect
        self._who = who
        self._facts = facts
        self._age_s = age_s
        self._tell = tell
        self._stopping = stopping
        self._wait = wait
        self._told: set[int] = set()
        self._heard: queues.SimpleQueue[tuple[int, bool, Mapping[str, Any]]] = queues.SimpleQueue()
        self._unwritten: deque[tuple[int, bool, Mapping[str, Any]]] = deque()
        self._closed = threading.Event()
        self._woken_fd, self._wake_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def heard(self, body: object) -> None:
        """The supervisor's answer to a request: a mapping of `id`, `ok` and `detail`."""
        if isinstance(body, Mapping) and isinstance(body.get("id"), int):
            detail = body.get("detail")
            found = detail if isinstance(detail, Mapping) else {}
            self._heard.put((body["id"], bool(body.get("ok")), found))
            self._wake()

    def close(self) -> None:
        """Nothing more will be heard: write what there is, and sign off."""
        self._closed.set()
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full, so somebody wakes already
            os.write(self._wake_fd, b".")

    def run(self) -> None:
        """Until stopped. Raises: AlreadyRunning when another monitor works under this name."""
        while not self._stopping():
            try:
                with contextlib.closing(self._connect("presence")) as connection:
                    self._attend(connection)
            except trouble.AWAY as error:
                log.debug("presence_interrupted", error=str(error).splitlines()[0])
                self._wait(random.uniform(0.5, 2.0))  # noqa: S311 - jitter, not a secret

    def _attend(self, connection: session.Connection) -> None:
        fleet.end_when_idle(connection, seconds=_FROZEN_S)
        if not self._claim(connection):
            return
        connection.execute(f"LISTEN {requests.CHANNEL}".encode())
        schema = _schema(connection)
        while not self._stopping():
            self._turn(connection)
            self._listen(connection, schema)
        self._closed.wait(_LAST_CALL_S)
        self._write_answers(connection)
        fleet.sign_off_host(connection, host=self._who.host, instance=self._who.instance)

    def _claim(self, connection: session.Connection) -> bool:
        """Hold the host's name; a dead predecessor's session may need some seconds to go.

        Raises: AlreadyRunning when it is no dead one: the name beats, and it is not us.
        """
        last, foreign = fleet.last_beat(connection, host=self._who.host), 0
        while not fleet.claim_host(connection, host=self._who.host):
            if self._wait(_CLAIM_S):
                return False
            beat = fleet.last_beat(connection, host=self._who.host)
            foreign += beat != last
            last = beat
            if foreign >= _FOREIGN_BEATS:
                raise errors.AlreadyRunning(
                    f"another monitor is at work under the host name {self._who.host!r}",
                    remedy="give each host its own fleet.host, or stop the other one",
                )
        return True

    def _turn(self, connection: session.Connection) -> None:
        asked = _now()
        waiting = requests.present(connection, self._who, facts=self._facts(), age_s=self._age_s())
        for request in waiting:
            if request.id not in self._told:
                self._take(connection, request, asked)
        self._told &= {request.id for request in waiting}
        self._write_answers(connection)

    def _take(
        self, connection: session.Connection, request: requests.Request, asked: float
    ) -> None:
        """Hand a request to the supervisor, which carries out each once, however often it hears."""
        self._told.add(request.id)
        refusal = self._refusal(request)
        if refusal is not None:
            self._unwritten.append((request.id, *refusal))
            return
        requests.take(connection, request=request.id, host=self._who.host)
        if _now() - asked > request.expires_in_s:  # we were frozen in between
            self._unwritten.append((request.id, False, {"error": "heard of too late"}))
            return
        log.info(
            "request_taken",
            request=request.id,
            verb=request.verb,
            who=request.who,
            reason=request.reason,
        )
        assert self._tell is not None
        told = {"id": request.id, "verb": request.verb, "who": request.who[:100]}
        until = asked + min(request.expires_in_s, _LONGEST_S)
        more = {"reason": request.reason[:300], "n": request.workers, "until": until}
        self._tell("request", {**told, **more})

    def _refusal(self, request: requests.Request) -> tuple[bool, Mapping[str, Any]] | None:
        """The answer to a request that the supervisor need not hear of."""
        if self._tell is None:
            return False, {
                "error": "this host's processes run one by one, without a supervisor of noggin-mp;"
                " use what runs them (supervisorctl, systemctl)"
            }
        if request.late and request.verb == "reload":
            return True, {"result": "started since"}
        if request.late:
            return False, {"error": "the fleet of this host was started after the request"}
        return None

    def _write_answers(self, connection: session.Connection) -> None:
        while True:
            with contextlib.suppress(queues.Empty):
                while True:
                    self._unwritten.append(self._heard.get_nowait())
            if not self._unwritten:
                return
            number, ok, detail = self._unwritten[0]
            requests.answer(connection, request=number, host=self._who.host, ok=ok, detail=detail)
            self._unwritten.popleft()
            log.info("request_answered", request=number, ok=ok, **_plain(detail))

    def _listen(self, connection: session.Connection, schema: str) -> None:
        """Wait for the next beat, or until there is something to do before it."""
        until = time.monotonic() + _BEAT_S * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        while not self._stopping() and self._heard.empty():
            # What came with the answer to a query is no longer in the socket: asked first.
            notes = connection.notifies(timeout=0, stop_after=1)
            if any(note.payload == schema for note in notes):
                return
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            ready, _, _ = select.select([connection.fileno(), self._woken_fd], [], [], left_s)
            if self._woken_fd in ready:
                os.read(self._woken_fd, 4096)


def supervisor_facts(folder: Path, pid: int) -> dict[str, Any]:
    """What the supervisor with this process id last wrote down, as far as the fleet shows it."""
    try:
        said = json.loads((folder / "supervisor.json").read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(said, dict) or said.get("pid") != pid:
        return {}
    slots = [slot.get("state") for slot in said.get("slots") or ()]
    return {
        "phase": said.get("state"),
        "wanted": len(slots),
        "slots": dict(Counter(slots)),
        **{name: said[name] for name in _TOLD if said.get(name) is not None},
    }


def _schema(connection: session.Connection) -> str:
    row = connection.execute("SELECT current_schema()").fetchone()
    return str(row[0]) if row else ""


def _plain(detail: Mapping[str, Any]) -> dict[str, Any]:
    return {f"detail_{name}": value for name, value in detail.items()}


def _now() -> float:
    """Seconds that also pass while this process, or the whole machine, sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
