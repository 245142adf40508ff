"""Signals as notes: the supervisor's inbox, and the flags a child lives by."""

import contextlib
import os
import select
import signal
from collections.abc import Iterable
from types import FrameType

from noggin_mp.observe import outlet

SUPERVISOR_SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
    signal.SIGCHLD,
)
"""What the supervisor handles; blocked across each fork, so that none is lost or misdirected."""

_IGNORED_BY_CHILDREN = (
    signal.SIGINT,  # a terminal's Ctrl-C reaches the whole group; the supervisor speaks for it
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
)

_WITHOUT_MEANING_ALONE = (
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
)
"""Words to a supervisor; a process without one must not end, or stop, because of them."""


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Having a handler makes the interpreter write the number to the wakeup pipe."""


def _give_up(_number: int, _frame: FrameType | None) -> None:
    """End at once: a drain has its own limits, so something hangs, such as a stopped database.

    Or the reader of our log, which is no reason to stay either.
    """
    try:
        with contextlib.suppress(OSError):
            outlet.Outlet(2).write(b"noggin-mp: still not ended after fleet.grace_s; giving up\n")
    finally:
        os._exit(1)


class Inbox:
    """The numbers of signals received, in order; readable through `fd`."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()
        for fd in (self.fd, self._write_fd):
            os.set_blocking(fd, False)
        self._old = {number: signal.signal(number, _do_nothing) for number in SUPERVISOR_SIGNALS}
        self._old_fd = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)

    def read(self) -> bytes:
        """The numbers noted since the last call."""
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        signal.set_wakeup_fd(self._old_fd)
        for number, handler in self._old.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._close_pipe()

    def release(self) -> None:
        """Forget the pipe, in a child, which sets handlers of its own."""
        signal.set_wakeup_fd(-1)
        self._close_pipe()

    def _close_pipe(self) -> None:
        os.close(self.fd)
        os.close(self._write_fd)


class Stop:
    """Whether this child should end: TERM or QUIT was received, or its parent is gone.

    Any thread may ask or wait. The pipe is never emptied, so it wakes every waiter.
    """

    def __init__(self, *, life_fd: int | None) -> None:
        """`life_fd`: the reading end of a pipe that only the parent holds open for writing."""
        self._asked = False
        self._aborting = False
        self._reopen = self._reload = False
        self._interrupts = 0
        self.patience_s = 0.0
        """So long after the end was asked for it comes, whatever hangs; 0: never of itself."""
        read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._write_fd, False)
        self._fds = (read_fd,) if life_fd is None else (read_fd, life_fd)

    def install_in_child(self) -> None:
        """Handle a child's signals: TERM, QUIT; what is the supervisor's business is ignored."""
        for number in _IGNORED_BY_CHILDREN:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._install((signal.SIGTERM, signal.SIGQUIT))

    def install_alone(self, *, patience_s: float = 0.0) -> None:
        """Handle the signals of a process without a supervisor: INT is for it as well."""
        self.patience_s = patience_s
        signal.signal(signal.SIGALRM, _give_up)
        for number in _WITHOUT_MEANING_ALONE:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, self._note_reload)
        signal.signal(signal.SIGUSR1, self._note_reopen)
        self._install((signal.SIGTERM, signal.SIGQUIT, signal.SIGINT))

    def _install(self, numbers: Iterable[signal.Signals]) -> None:
        for number in numbers:
            signal.signal(number, self._note)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._interrupts += number == signal.SIGINT
        if not self._asked and self.patience_s:
            signal.setitimer(signal.ITIMER_REAL, self.patience_s)
        self._asked = True
        self._aborting = self._aborting or number == signal.SIGQUIT or self._interrupts > 1
        if self._interrupts > 2:
            os._exit(130)
        with contextlib.suppress(BlockingIOError):
            os.write(self._write_fd, b".")

    def _note_reopen(self, _number: int, _frame: FrameType | None) -> None:
        self._reopen = True

    def _note_reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload = True

    def reload_asked(self) -> bool:
        """True once after each HUP, to a process that is alone: read the configuration again."""
        asked, self._reload = self._reload, False
        return asked

    def ask(self) -> None:
        """Ask for the end, as TERM does."""
        self._note(signal.SIGTERM, None)

    def reopen_asked(self) -> bool:
        """True once after each USR1, to a process that is alone: open the logs again."""
        asked, self._reopen = self._reopen, False
        return asked

    @property
    def interrupted(self) -> bool:
        """True when INT asked for an abort."""
        return self._interrupts > 1

    def aborting(self) -> bool:
        """True once work in hand should be handed back at once."""
        return self._aborting

    def stopping(self) -> bool:
        """True once the end was asked for, or the parent is gone."""
        return self._asked or self.wait(0)

    def wait(self, seconds: float, *others: int) -> bool:
        """Sleep until the end is asked for (True) or so many seconds passed (False).

        Something to read from one of `others` ends it as well (False).
        """
        if self._asked:
            return True
        poll = select.poll()
        for fd in (*self._fds, *others):
            poll.register(fd, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(max(seconds, 0) * 1000)]
        return self._asked or any(fd in self._fds for fd in ready)
