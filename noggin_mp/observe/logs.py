"""Logs: fixed past-tense events with fields, one line and one write per record, never a secret.

JSON for machines, key=value for a terminal; JSON in the log file, if there is one. A line carries
`ts` (UTC, milliseconds), `level`, `event`, what `bind` fixed for the process, then the event's own
fields.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol

from noggin_mp.domain import redaction
from noggin_mp.observe import log_file, outlet

# structlog.dev imports rich whenever it is there: a tenth of a second and several MiB for each
# worker, for tracebacks that we render plainly. Hidden only while structlog is imported.
_hidden = {name: sys.modules.pop(name) for name in ("rich",) if name in sys.modules}
sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    del sys.modules["rich"]
    sys.modules.update(_hidden)

Record = MutableMapping[str, Any]
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_SHORTEST_SECRET = 4
_FILE_AGAIN_S = 5.0

_fixed: Mapping[str, Any] = {}
_secrets: frozenset[str] = frozenset()
_copy: "_Copy | None" = None
_outlet: outlet.Outlet | None = None


class Logger(Protocol):
    """What `get` gives: one method per level; the first argument is the event."""

    def debug(self, event: str, **fields: Any) -> Any:
        """A step."""

    def info(self, event: str, **fields: Any) -> Any:
        """A change of state."""

    def warning(self, event: str, **fields: Any) -> Any:
        """Something that heals by itself."""

    def error(self, event: str, **fields: Any) -> Any:
        """Something that needs a person."""

    def exception(self, event: str, **fields: Any) -> Any:
        """An error with the traceback of the exception being handled."""

    def bind(self, **fields: Any) -> "Logger":
        """The same logger with more fixed fields."""


class _Stream(Protocol):
    def fileno(self) -> int: ...


def configure(
    *,
    level: str = "info",
    format: str = "auto",
    stream: _Stream | int = 2,
    color: bool | None = None,
    file: Path | None = None,
    max_bytes: int = 0,
    max_age_s: float = 0,
    keep: int = 14,
    zone: tzinfo = UTC,
) -> None:
    """Send every log of this process to `stream` (or file descriptor); callable again at any time.

    `format` auto is console on a terminal, else json. `color` None means: on a terminal, unless
    NO_COLOR is set. Logs of libraries come through from warning upwards. A `file` gets every
    record as JSON besides, and is rotated as `log_file.LogFile` says. A stream that nobody reads
    any more loses records rather than hold the process up, see `outlet`.
    """
    global _copy, _outlet
    if _copy is not None:  # perhaps our parent's: a file that was put aside must not be held open
        _copy.file.close()
    _copy = None
    if file is not None:
        _copy = _Copy(
            log_file.LogFile(file, max_bytes=max_bytes, max_age_s=max_age_s, keep=keep, zone=zone)
        )
    fd = stream if isinstance(stream, int) else stream.fileno()
    if _outlet is None or not _outlet.leads_to(fd):
        _outlet = outlet.Outlet(fd)
    terminal = os.isatty(fd)
    if color is None:
        color = terminal and not os.environ.get("NO_COLOR")
    console = format == "console" or (format == "auto" and terminal)
    structlog.configure(
        processors=[
            _stamp,
            structlog.processors.format_exc_info,
            _scrub,
            *([_copy] if _copy is not None else []),
            _console(color) if console else _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_Writer,
        cache_logger_on_first_use=False,  # a reload or a fork may configure anew
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(logging.WARNING)]
    root.setLevel(logging.WARNING)
    # It tells each failed attempt of a database that is down; who uses the pool tells it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    logging.captureWarnings(True)


def reopen() -> None:
    """Close the log file; the next record opens what is at its path then, or makes it."""
    if _copy is not None:
        _copy.file.close()


def get(name: str) -> Logger:
    """The logger of a part of the program; its lines carry `logger`.

    Until somebody configures, warnings and errors go to stderr.
    """
    if not structlog.is_configured():
        configure(level="warning")
    made: Logger = structlog.get_logger(name)
    return made


def bind(**fields: Any) -> None:
    """Put these fields into every line of this process, in all its threads (`worker`, `host`)."""
    global _fixed
    _fixed = {**_fixed, **fields}


def unbind(*names: str) -> None:
    """Take fields out again that `bind` put in."""
    global _fixed
    _fixed = {name: value for name, value in _fixed.items() if name not in names}


def remember_secret(secret: str) -> None:
    """Mask this text wherever it occurs in a log of this process from now on (the API token)."""
    global _secrets
    if len(secret) >= _SHORTEST_SECRET:
        _secrets |= {secret}


def scrub(text: str) -> str:
    """`text` without passwords, bearer tokens and remembered secrets."""
    return redaction.scrub(text, _secrets)


def _stamp(logger: Any, method: str, record: Record) -> Record:
    now = datetime.now(UTC)
    head = {
        "ts": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
        "level": "warning" if method == "warn" else "error" if method == "exception" else method,
        "event": record.pop("event", ""),
    }
    if getattr(logger, "name", ""):
        head["logger"] = logger.name
    return {**head, **_fixed, **record}


def _scrub(_logger: Any, _method: str, record: Record) -> Record:
    return {name: _plain(name, value) for name, value in record.items()}


def _plain(name: str, value: Any) -> Any:
    """The value as plain data without secrets."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if redaction.is_secret_name(name):
        return redaction.MASK
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(name, item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return scrub(str(value))


def _console(color: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=color,
        timestamp_key="ts",
        sort_keys=False,
        exception_formatter=structlog.dev.plain_traceback,
    )


_json = structlog.processors.JSONRenderer(ensure_ascii=False)


class _Copy:
    """Passes each record on and writes it to the file too; what fails there is told once."""

    def __init__(self, file: log_file.LogFile) -> None:
        self.file = file
        self._not_before = 0.0
        self._lost = 0

    def __call__(self, logger: Any, method: str, record: Record) -> Record:
        """A processor of structlog's chain; never raises, and never waits for a disk to mend."""
        now = time.monotonic()
        if now < self._not_before:
            self._lost += 1
            return record
        try:
            self.file.write(_line(_json(logger, method, dict(record))))
        except (OSError, ValueError) as error:
            if not self._lost:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                self._tell("warning", "log_file_failed", reason=reason)
            self._lost += 1
            self._not_before = now + _FILE_AGAIN_S
        else:
            if self._lost:
                self._tell("info", "log_file_back", records_missing=self._lost)
            self._lost = 0
        return record

    def _tell(self, level: str, event: str, **fields: Any) -> None:
        _tell_stream(level, event, file=str(self.file.path), **fields)


def _tell_stream(level: str, event: str, **fields: Any) -> None:
    """To the stream only, and without the chain that a record may be in just now."""
    whole = _scrub(None, level, dict(_stamp(None, level, {"event": event, **fields})))
    _Writer().msg(str(_json(None, level, whole)))


def _line(text: str | bytes) -> bytes:
    whole = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
    return whole + b"\n"


class _Writer:
    """Writes each record with one os.write: whole lines, also from many processes at once."""

    def __init__(self, name: str = "") -> None:
        self.name = name

    def msg(self, message: str) -> None:
        """Write one record. A log that cannot be written must never stop the work."""
        if _outlet is not None and (lost := _outlet.write(_line(message))):
            _tell_stream("warning", "log_stream_back", records_missing=lost)

    debug = info = warning = error = critical = fatal = exception = log = msg


class _Bridge(logging.Handler):
    """Hands the records of libraries that use `logging` or `warnings` to our logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record of a library."""
        try:
            log = get("library")
            tell = log.error if record.levelno >= logging.ERROR else log.warning
            fields: dict[str, Any] = {"library": record.name, "message": record.getMessage()}
            if record.exc_info:
                fields["exc_info"] = record.exc_info
            tell("library_logged", **fields)
        except Exception:
            self.handleError(record)
