"""`python -m tests.faults [SUITE] [OPTIONS]`: faults at length, for which tests have no time.

Without a suite, all of them run in their usual length. A suite is a module of this package with
`main(words) -> exit code`; it prints what it did, and its figures.
"""

import argparse
import importlib
import sys
import time

SUITES = ("rounds", "supervision", "reloads", "hosts")


def main(words: list[str]) -> int:
    """Run what is asked for; 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("suite", nargs="?", choices=SUITES, help="all of them by default")
    asked, rest = parser.parse_known_args(words)
    if rest and asked.suite is None:
        parser.error(f"{rest[0]} is an option of a suite: name one of {', '.join(SUITES)}")
    failed = [name for name in ([asked.suite] if asked.suite else SUITES) if not held(name, rest)]
    print(f"did not hold: {', '.join(failed)}" if failed else "all of it held", flush=True)
    return int(bool(failed))


def held(name: str, words: list[str]) -> bool:
    """Run one suite."""
    began = time.monotonic()
    print(f"== {name}", flush=True)
    # Imported late: one suite's fault is not the others' business.
    code: int = importlib.import_module(f"tests.faults.{name}").main(words)
    print(f"== {name}: {time.monotonic() - began:.0f} s, exit code {code}", flush=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
