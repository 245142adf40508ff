"""Run a simulator from options given as one JSON object: `python -m noggin_mp.simulator '{...}'`.

People use `noggin-mp simulate`; this door is for programs that already hold the options. With
their own pid as a second argument, the simulator ends when they do.
"""

import json
import signal
import sys
from typing import Any

from noggin_mp.domain import errors
from noggin_mp.simulator import options, processes, serving


def _announce(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


def main(argv: list[str]) -> int:
    """The exit code."""
    try:
        asked = options.Options(**json.loads(argv[1] if len(argv) > 1 else "{}"))
        if len(argv) > 2:
            processes.leave_with(int(argv[2]), signal.SIGTERM)
        return serving.serve(asked, announce=_announce)
    except (TypeError, ValueError) as error:
        print(f"simulator: the options are wrong: {error}", file=sys.stderr)
        return errors.UsageError.exit_code
    except errors.NogginError as error:
        print(f"simulator: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
