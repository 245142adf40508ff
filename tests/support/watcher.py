"""Outlives a test run that was killed and removes what it left: `watcher PID RUN_FOLDER`."""

import os
import select
import sys
from pathlib import Path

from tests.support import postgres


def main() -> None:
    """Waits for the end of process PID, then cleans up; a run that ended well left nothing."""
    try:
        watched = os.pidfd_open(int(sys.argv[1]))
        select.select([watched], [], [])
    except ProcessLookupError:
        pass
    postgres.end(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
