"""`python -m tests.benchmarks`: run the suites, print what holds, write JSON, pages and plots."""

import argparse
import importlib
import sys
import time
from pathlib import Path

from tests.benchmarks import report

SUITES = ("breaker", "memory", "scrape")
ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str] | None = None) -> int:
    """Run what is asked for; 1 when a promise does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}")
    parser.add_argument("--quick", action="store_true", help="the short form, to var/benchmarks")
    parser.add_argument("--out", type=Path, help="where to write; docs/benchmarks by default")
    asked = parser.parse_args(words)
    if unknown := set(asked.suites) - set(SUITES):
        parser.error(f"there is no suite {', '.join(sorted(unknown))}")
    default = ROOT / ("var/benchmarks" if asked.quick else "docs/benchmarks")
    options = report.Options(quick=asked.quick, out=asked.out or default)
    return _run(asked.suites or SUITES, options)


def _run(names: list[str] | tuple[str, ...], options: report.Options) -> int:
    kept = True
    for name in names:
        began = time.monotonic()
        # Imported late: one suite's libraries are not the other's business.
        found: report.Report = importlib.import_module(f"tests.benchmarks.{name}").run(options)
        report.write(found, options.out)
        sys.stdout.write(f"\n{report.plain(found)}\n")
        sys.stdout.write(f"{name}: {time.monotonic() - began:.0f} s; {options.out / name}.json\n")
        kept = kept and found.kept
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
