"""Fork a child, and the child's life from its first instruction to its last."""

import contextlib
import faulthandler
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from noggin_mp.domain import errors, fleet, slots
from noggin_mp.observe import logs
from noggin_mp.supervisor import kernel, messages, orders, signals

Entry = Callable[[fleet.ChildContext], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """A child's ends of everything that it shares with its parent."""

    stop: signals.Stop
    sender: messages.Sender
    tray: orders.Tray
    listen_fd: int | None


MakeContext = Callable[[Ends], fleet.ChildContext]

BUG_EXIT_CODE = errors.NogginError.exit_code
_FLUSH_S = 1.0
_MAX_STACKS_BYTES = 32_768

log = logs.get("supervisor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """The supervisor's handles on a living child."""

    pid: int
    pidfd: int | None
    receiver: messages.Receiver
    desk: orders.Desk
    stacks_fd: int
    """A file in memory to which the child's interpreter writes all stacks when it crashes."""

    def close(self) -> None:
        """Close the handles; also in a sibling, which has no use for them."""
        os.close(self.receiver.fd)
        os.close(self.desk.fd)
        os.close(self.stacks_fd)
        if self.pidfd is not None:
            os.close(self.pidfd)

    def ended(self) -> slots.Exit | None:
        """How the child ended, or None while it lives; collects it."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            return slots.Exit(code=code)
        return slots.Exit(code=None, signal=-code)

    def stacks(self) -> str:
        """The stacks of the child's threads when it crashed or got ABRT; empty otherwise."""
        return os.pread(self.stacks_fd, _MAX_STACKS_BYTES, 0).decode("utf-8", "replace")

    def signal(self, sign: slots.Sign) -> None:
        """Send a signal. The pid is ours until `ended` collects it, so it cannot hit another."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.Signals[f"SIG{sign}"])


def fork(
    entry: Entry,
    make_context: MakeContext,
    *,
    life_fd: int,
    release: Callable[[], int | None],
    brief: bool = False,
) -> Tenant:
    """A new child that runs `entry`.

    `release` closes, in the child, what is the supervisor's, and gives the listening descriptor if
    the child keeps it. `life_fd` is at its end when the supervisor is gone. `brief`: the child
    tells a bug in one sentence, for its predecessor has told the traceback.

    Raises: OSError when the system has no room for another process; RuntimeError when this process
    has threads: a fork would copy their locks without them.
    """
    count = kernel.thread_count()
    if count != 1:
        raise RuntimeError(f"the supervisor must have one thread to fork, it has {count}")
    read_fd, write_fd, tray_fd, desk_fd, stacks_fd = _descriptors()
    sys.stdout.flush()
    sys.stderr.flush()
    parent_pid = os.getpid()
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.SUPERVISOR_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            for fd in (read_fd, desk_fd):
                os.close(fd)
            mine = _Mine(write_fd=write_fd, tray_fd=tray_fd, stacks_fd=stacks_fd, life_fd=life_fd)
            _live(entry, make_context, parent_pid, mine, release, brief)
    except OSError:
        for fd in (read_fd, desk_fd, stacks_fd):
            os.close(fd)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SUPERVISOR_SIGNALS)
        os.close(write_fd)
        os.close(tray_fd)
    receiver, desk = messages.Receiver(read_fd), orders.Desk(desk_fd)
    return Tenant(pid=pid, pidfd=_pidfd(pid), receiver=receiver, desk=desk, stacks_fd=stacks_fd)


def _descriptors() -> tuple[int, ...]:
    """Two pipes and a file in memory; all of them or none. Raises: OSError."""
    made: list[int] = []
    try:
        made += os.pipe()
        made += os.pipe()
        made.append(os.memfd_create("stacks"))
    except OSError:
        for fd in made:
            os.close(fd)
        raise
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mine:
    """What a child keeps of the descriptors made for it."""

    write_fd: int
    tray_fd: int
    stacks_fd: int
    life_fd: int


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable at the child's end; SIGCHLD serves where there is none."""
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _live(
    entry: Entry,
    make_context: MakeContext,
    parent_pid: int,
    mine: _Mine,
    release: Callable[[], int | None],
    brief: bool,
) -> NoReturn:
    """The child's whole life; never returns into the parent's stack."""
    code = BUG_EXIT_CODE
    sender = messages.Sender(mine.write_fd)
    try:
        kernel.die_with_parent(parent_pid)
        listen_fd = release()
        stop = signals.Stop(life_fd=mine.life_fd)
        stop.install_in_child()
        faulthandler.enable(file=mine.stacks_fd, all_threads=True)  # at ABRT and crashes
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SUPERVISOR_SIGNALS)
        random.seed()
        tray = orders.Tray(mine.tray_fd)
        ends = Ends(stop=stop, sender=sender, tray=tray, listen_fd=listen_fd)
        code = run_entry(entry, make_context(ends))
    except BaseException as error:
        with contextlib.suppress(Exception):
            sender.tell("failed", {"reason": f"{type(error).__name__}: {error}"})
            if not brief:
                log.exception("child_crashed", child_pid=os.getpid())
    finally:
        sender.flush(_FLUSH_S)
        leave(code)


def run_entry(entry: Entry, context: fleet.ChildContext) -> int:
    """The exit code of `entry`; what it raises of the tree of errors is told the supervisor.

    Raises: what is a bug.
    """
    try:
        return entry(context)
    except errors.NogginError as error:
        if error.exit_code in fleet.HALTING_CODES:
            context.tell("fatal", errors.packed(error))
        else:
            context.tell("failed", {"reason": str(error)})
        return error.exit_code


def leave(code: int) -> NoReturn:
    """End this process without running what the parent registered for its own end."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(code)
