"""The session log as operators know it: one file per run, one line per completed TIP, tabs between.

Read it with a spreadsheet or `grep`. The database is the truth: a worker that is killed just after
its settle leaves a TIP without its line.
"""

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from noggin_mp.observe import appender, logs

COLUMNS: Final = ("TIMESTAMP", "TIP", "INSPECTION_ID", "ATTACHMENTS_COUNT", "ATTACHMENT_FILENAMES")
SEPARATOR: Final = "; "
_BREAKS: Final = re.compile(r"[\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
_AGAIN_S: Final = 60.0

log = logs.get("session")


def file_name(began: datetime) -> str:
    """The file of the run that began then."""
    return f"session_{began:%Y%m%d_%H%M%S}.log"


class SessionLog:
    """Gathers lines, and appends them with one write per `flush`; belongs to one thread.

    Times are shown in `zone`. A folder that cannot be written is told once a minute, and what was
    to be written then is lost: the work goes on.
    """

    def __init__(
        self, path: Path, *, zone: tzinfo, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = appender.Appender(path, header="\t".join(COLUMNS).encode() + b"\n")
        self._zone = zone
        self._clock = clock
        self._lines: list[str] = []
        self._not_before = float("-inf")

    def completed(self, tip: str, inspection_id: str, filenames: Sequence[str]) -> None:
        """Note a TIP whose record and attachments are all stored."""
        stamp = f"{datetime.now(self._zone):%Y-%m-%d %H:%M:%S}"
        cells = (stamp, tip, inspection_id, str(len(filenames)), SEPARATOR.join(filenames))
        self._lines.append("\t".join(_BREAKS.sub(" ", cell) for cell in cells) + "\n")

    def flush(self) -> None:
        """Append what was noted; never raises."""
        lines, self._lines = self._lines, []
        if not lines or self._clock() < self._not_before:
            return
        try:
            self._file.write("".join(lines).encode("utf-8", "backslashreplace"))
        except OSError as error:
            self._not_before = self._clock() + _AGAIN_S
            log.warning(
                "session_log_failed",
                file=str(self._file.path),
                reason=error.strerror,
                lines_lost=len(lines),
            )
