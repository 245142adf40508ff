"""Types commands into `noggin-mp`, each in a fork of one process that has everything imported.

`python -m tests.support.typist LOG` reads a JSON list of words per line, and answers each with the
exit code on a line of its own once the command has ended; what it printed is in LOG.
"""

import json
import os
import sys
from typing import NoReturn

from noggin_mp.cli import main


def serve(log: str) -> None:
    """Type what comes in until there is no more."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _type(json.loads(line), log)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _type(words: list[str], log: str) -> NoReturn:
    code = 70
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (file, 1), (file, 2)):
            os.dup2(old, new)
        code = main.run(words)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
