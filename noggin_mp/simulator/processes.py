"""The serving processes: forked once, each with its own event loop, all accepting on one socket.

A process serves until the pipe to its parent closes; the kernel kills it should the parent vanish.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from noggin_mp.domain import errors
from noggin_mp.simulator import behaviour, connection, site

_PR_SET_PDEATHSIG = 1
_BACKLOG = 1024
_ANSWER_WITHIN_S = 25.0
_END_WITHIN_S = 2.0
_COLLECT_EVERY = 50_000  # new objects; records make many, and no cycles


@dataclass(frozen=True, slots=True)
class _Child:
    pid: int
    pipe: socket.socket


class Crew:
    """The serving processes, seen from their parent.

    Create it before any thread starts: it forks.
    """

    def __init__(
        self, make_site: Callable[[int], site.Site], *, listener: socket.socket, processes: int
    ) -> None:
        self._lock = threading.Lock()
        self._children: list[_Child] = []
        try:
            for slot in range(processes):
                self._children.append(self._fork(make_site, slot, listener))
            for child in self._children:
                self._answer(child)
        except BaseException:
            self.stop()
            raise

    def pids(self) -> list[int]:
        """The processes' ids, in the order of their slots."""
        return [child.pid for child in self._children]

    def tell(self, order: dict[str, Any]) -> None:
        """Give every process an order; returns when all have carried it out.

        Raises: NogginError when one does not answer.
        """
        line = json.dumps(order).encode() + b"\n"
        with self._lock:
            for child in self._children:
                child.pipe.sendall(line)
            for child in self._children:
                self._answer(child)

    def reap(self) -> int | None:
        """The pid of a process that ended by itself, None when all are alive."""
        for child in self._children:
            with contextlib.suppress(ChildProcessError):
                pid, _ = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._children.remove(child)
                    return pid
        return None

    def stop(self) -> None:
        """End every process and wait until it is gone."""
        children, self._children = self._children, []
        for child in children:
            child.pipe.close()
        deadline = time.monotonic() + _END_WITHIN_S
        for child in children:
            while not _gone(child.pid):
                if time.monotonic() > deadline:
                    os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.005)

    def _answer(self, child: _Child) -> None:
        try:
            answer = child.pipe.recv(1)
        except OSError:
            answer = b""
        if not answer:
            raise errors.NogginError(f"the simulator's process {child.pid} does not answer")

    def _fork(
        self, make_site: Callable[[int], site.Site], slot: int, listener: socket.socket
    ) -> _Child:
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_WITHIN_S)
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            theirs.close()
            return _Child(pid, ours)
        code = 70
        try:
            ours.close()
            for elder in self._children:
                elder.pipe.close()
            _become_child(parent)
            asyncio.run(_serve(make_site(slot), theirs, listener))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


def _gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _become_child(parent: int) -> None:
    """Die with the parent; leave Ctrl-C to it."""
    leave_with(parent, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    gc.freeze()
    gc.set_threshold(_COLLECT_EVERY)


def leave_with(parent: int, number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent, `parent`, is gone.

    Strictly, when the thread that started this process is gone. Source: prctl(2).
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(0)


async def _serve(served: site.Site, pipe: socket.socket, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    # With a backlog of 1 asyncio accepts one connection per wake-up, so that processes share a
    # burst of connections; the kernel's queue is then made long again.
    server = await loop.create_server(
        lambda: connection.Connection(served), sock=listener, backlog=1
    )
    listener.listen(_BACKLOG)
    pipe.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=pipe)
    writer.write(b"+")
    while line := await reader.readline():
        _obey(served, json.loads(line))
        writer.write(b"+")
        await writer.drain()
    server.close()


def _obey(served: site.Site, order: dict[str, Any]) -> None:
    if "behaviour" in order:
        served.conduct = behaviour.restored(order["behaviour"])
    if order.get("restart"):
        served.restart()


def mask_signals() -> set[signal.Signals]:
    """The signals the parent waits for, now blocked in this and every later thread and process."""
    awaited = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    return awaited
