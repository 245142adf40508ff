"""What children tell the supervisor: JSON lines over a pipe, which neither side may block on."""

import contextlib
import json
import os
import select
import threading
import time
from collections import deque
from collections.abc import Mapping

BEAT_EVERY_S = 0.5
"""Beats closer together than this are dropped, unless the number of busy jobs changed."""

_MAX_LINE_BYTES = 4096
"""Source: pipe(7): a write of at most PIPE_BUF (4096) bytes is whole or not at all."""

_MAX_TEXT_CHARS = 500
_MAX_READ_BYTES = 65_536
_MAX_WAITING = 16


class Sender:
    """The child's end. Safe from any thread; a full pipe drops beats and keeps the rest."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._beat_at = 0.0
        self._busy = -1

    def beat(self, busy: int, *, tips: int = 0, stalled_s: float = 0.0) -> bool:
        """Say "alive, so many jobs busy"; False when it was too soon after the last."""
        now = time.monotonic()
        with self._lock:
            if busy == self._busy and now - self._beat_at < BEAT_EVERY_S:
                return False
            self._beat_at, self._busy = now, busy
            if self._flush():
                said = {"busy": busy, "tips": tips, "stalled_s": round(stalled_s, 1)}
                self._write(_line("beat", {key: value for key, value in said.items() if value}))
        return True

    def tell(self, event: str, fields: Mapping[str, object]) -> None:
        """Send one message; kept for later when the pipe is full."""
        with self._lock:
            self._waiting.append(_line(event, fields))
            self._flush()

    def flush(self, timeout_s: float) -> None:
        """Try for so long to get rid of what is kept."""
        deadline = time.monotonic() + timeout_s
        with self._lock:
            while not self._flush() and (left := deadline - time.monotonic()) > 0:
                poll = select.poll()
                poll.register(self._fd, select.POLLOUT)
                poll.poll(left * 1000)

    def _flush(self) -> bool:
        while self._waiting:
            if not self._write(self._waiting[0]):
                return False
            self._waiting.popleft()
        return True

    def _write(self, line: bytes) -> bool:
        try:
            os.write(self._fd, line)
        except BlockingIOError:
            return False
        except OSError:
            return True  # nobody reads any more: the supervisor is gone, and so shall we be
        return True


def _line(event: str, fields: Mapping[str, object]) -> bytes:
    short = {
        name: value[:_MAX_TEXT_CHARS] if isinstance(value, str) else value
        for name, value in fields.items()
    }
    line = json.dumps({"event": event, **short}, default=str).encode() + b"\n"
    if len(line) > _MAX_LINE_BYTES:
        return json.dumps({"event": event}).encode() + b"\n"
    return line


class Receiver:
    """The supervisor's end: whole messages, however the bytes arrive."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd = fd
        self._rest = b""

    def read(self) -> tuple[list[dict[str, object]], bool]:
        """The messages that are whole by now, and whether the pipe is at its end."""
        try:
            data = os.read(self.fd, _MAX_READ_BYTES)
        except BlockingIOError:
            return [], False
        except OSError:
            return [], True
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""  # no child of ours writes such a line
        messages = [message for line in lines if (message := _parse(line)) is not None]
        return messages, not data


def _parse(line: bytes) -> dict[str, object] | None:
    """The message in `line`, or None when it is none (cut, or not ours)."""
    with contextlib.suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict) and isinstance(message.get("event"), str):
            return message
    return None


def whole_number(message: Mapping[str, object], name: str, *, default: int) -> int:
    """The number called `name` in a message, or `default` when it is missing or something else."""
    value = message.get(name)
    return value if isinstance(value, int) and 0 <= value <= 10**12 else default


def busy(message: Mapping[str, object]) -> int:
    """How many jobs a beat tells of; -1 when the child is not at work yet."""
    return -1 if message.get("busy") == -1 else whole_number(message, "busy", default=0)


def seconds(message: Mapping[str, object], name: str) -> float:
    """The seconds called `name` in a message, or 0 when they are missing or something else."""
    value = message.get(name)
    return float(value) if isinstance(value, int | float) and 0 <= value <= 10**9 else 0.0
