"""A new configuration read and tried in a short-lived process, which the supervisor does not await.

Whatever a file, a file system, a program that prints a token, or a database does: it can only make
this process hang or die, and that is an answer as well.
"""

import contextlib
import os
import pickle
import signal
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from noggin_mp.domain import errors
from noggin_mp.observe import logs
from noggin_mp.settings import diff, schema
from noggin_mp.supervisor import children, contexts, kernel, signals

DEADLINE_S = 45.0
"""Above what all its parts may take: a pipe, a program for the token, a database."""


_MOST_TOLD = 10
"""Faults or keys in the one line of the log; `config check --diff` tells all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A configuration fit to be applied, or `error`, one line, saying why it is not."""

    settings: schema.Settings | None = None
    changes: tuple[diff.Change, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    """Where each changed key stands; empty for one that was taken out."""
    texts: Mapping[str, str] = field(default_factory=dict)
    said: frozenset[str] = frozenset()
    error: str = ""


class Check:
    """One reading and trial, from its fork to its answer."""

    def __init__(
        self, work: Callable[[], Finding], *, release: Callable[[], object], now: float
    ) -> None:
        """`release` closes, in the new process, what is the supervisor's. Raises: OSError."""
        self._deadline = now + DEADLINE_S
        self._said = b""
        self.fd, write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        parent_pid = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, signals.SUPERVISOR_SIGNALS)
        try:
            self._pid = os.fork()
            if self._pid == 0:
                _live(work, write_fd, parent_pid, release)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SUPERVISOR_SIGNALS)
            os.close(write_fd)

    def answer(self, now: float) -> Finding | None:
        """What was found, None while it is not known yet; the process is gone then."""
        if self._read():
            self.close()
            try:
                found = pickle.loads(self._said)  # noqa: S301 - our own child's
            except Exception:
                return Finding(error="the process that checks the configuration died")
            assert isinstance(found, Finding)
            return found
        if now < self._deadline:
            return None
        self.close()
        return Finding(error=f"the check of the configuration took more than {DEADLINE_S:g} s")

    def _read(self) -> bool:
        """True when all has been said."""
        while True:
            try:
                data = os.read(self.fd, 1 << 20)
            except BlockingIOError:
                return False
            if not data:
                return True
            self._said += data

    def close(self) -> None:
        """End the process, if it has not ended by itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self.fd)


def _live(
    work: Callable[[], Finding], fd: int, parent_pid: int, release: Callable[[], object]
) -> None:
    """The child: one answer, then the end, without the parent's clean-up."""
    try:
        kernel.die_with_parent(parent_pid)
        release()
        for number in signals.SUPERVISOR_SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SUPERVISOR_SIGNALS)
        left = memoryview(pickle.dumps(work()))
        while left:
            left = left[os.write(fd, left) :]
    finally:
        children.leave(0)


def examine(
    running: schema.Settings,
    source: contexts.Source,
    *,
    refused: Container[diff.Liveness] = (diff.Liveness.FIXED,),
) -> Finding:
    """Read the configuration and try what would change; never raises.

    A change that would need what is `refused` here is refused.
    """
    try:
        fresh = source.read()
        found = diff.changes(diff.facts(running, salt=""), diff.facts(fresh, salt=""))
        for change in found:
            if change.how in refused:
                _refuse(change, source)
        source.examine(fresh, {one.key for one in found if one.how is not diff.Liveness.LIVE})
        return Finding(
            settings=fresh,
            changes=found,
            places={change.key: source.origin(change.key) for change in found},
            texts=dict(source.texts()),
            said=frozenset(source.said()),
        )
    except errors.NogginError as error:
        problems = error.problems if isinstance(error, errors.ConfigError) else ()
        told = [str(problem).partition("\n")[0] for problem in problems[:_MOST_TOLD]]
        more = [f"and {len(problems) - _MOST_TOLD} more"] if len(problems) > _MOST_TOLD else []
        return Finding(error=_one_line("; ".join([*told, *more]) or str(error)))
    except Exception as error:
        said = f"this is a bug in noggin-mp: {type(error).__name__}: {error}"
        return Finding(error=_one_line(said[:300]))


def taken_back(found: Finding, failure: str) -> str:
    """Why what was found fit did not last, and where that was written, in one line.

    The keys that needed new processes are named; all of them when none did, and a process that
    did not take them over was replaced.
    """
    changes = [one for one in found.changes if one.how is not diff.Liveness.LIVE] or found.changes
    keys = [one.key for one in changes[:_MOST_TOLD]]
    told = [": ".join(filter(None, (found.places.get(key), key))) for key in keys]
    if len(changes) > _MOST_TOLD:
        told.append(f"and {len(changes) - _MOST_TOLD} more")
    what = f"; what had changed: {', '.join(told)}; correct it and reload again" if told else ""
    return _one_line(f"rolled back: {failure}{what}")


def _one_line(text: str) -> str:
    """The text as one line of characters that any file and terminal can take."""
    plain = logs.scrub(" ".join(text.split()))
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain)


def _refuse(change: diff.Change, source: contexts.Source) -> NoReturn:
    """Raises: ConfigError, with the place of the key."""
    place = source.origin(change.key)
    raise errors.ConfigError(
        f"{place}{': ' if place else ''}{change.key} cannot change from"
        f" {diff.text(change.old)} to {diff.text(change.new)} while the fleet runs",
        remedy="restart the service to change it",
    )
