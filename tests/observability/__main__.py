"""`python -m tests.observability`: play the phases, compare, draw; 1 when something is wrong."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from noggin_mp.observe import catalogue
from tests.observability import coverage, report, run, servers, stage, truth
from tests.support import parts, postgres

ROOT = Path(__file__).resolve().parents[2]


def main(words: list[str] | None = None) -> int:
    """Run the long or the short form and write its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.observability", description=__doc__)
    parser.add_argument("--short", action="store_true", help="three phases, to var/observability")
    parser.add_argument("--out", type=Path, help="where to write; docs/ by default")
    asked = parser.parse_args(words)
    missing = [one for one in servers.PROGRAMS if parts.find(one) is None]
    if missing:
        print(f"not found: {', '.join(missing)}; run: make parts", file=sys.stderr)
        return 3
    out = asked.out or ROOT / ("var/observability" if asked.short else "docs")
    postgres.begin()
    try:
        with tempfile.TemporaryDirectory(prefix="noggin_observe_") as folder:
            found = _observed(Path(folder), out, run.SHORT if asked.short else run.FULL)
    finally:
        postgres.end(Path(os.environ.pop(postgres.RUN)))
    for one in found.faults:
        print(f"DOES NOT HOLD: {one}")
    print(f"{len(found.marks)} phases, {found.took_s:.0f} s; {out}/observability/observed.md")
    return 1 if found.faults else 0


def _observed(folder: Path, out: Path, phases: tuple[run.Phase, ...]) -> report.Found:
    from tests.observability import pictures  # it needs the extra `bench`

    dsn = postgres.create_database(postgres.server_dsn())
    postgres.migrate(dsn)
    exact: list[tuple[str, list[truth.Pair]]] = []
    began = time.monotonic()

    def compared(made: stage.Stage, phase: run.Phase) -> None:
        exact.append((phase.name, truth.pairs(made)))

    with stage.ready(folder, dsn, tips=2400, chunk=20, latency_ms=60, mount=True) as made:
        run.play(made, phases, compared, _tell)
        end = time.time()
        found = report.Found(
            marks=made.marks,
            exact=exact,
            answers=coverage.answers(made, end),
            alerts=coverage.alert_answers(made, end),
            dips=_dips(made, end),
            lost_at_kills=_lost(made, end),
            skipped=[one.name for one in phases if one.needs_mount and not made.mounted],
            took_s=time.monotonic() - began,
        )
        drawn = pictures.draw(made, end, out / "images")
        report.write(found, out / "observability", drawn)
    return found


def _tell(mark: stage.Mark) -> None:
    fired = ", ".join(f"{name} {s:.0f} s" for name, s in mark.fired_after_s.items())
    print(f"{mark.name}: {mark.end - mark.start:.0f} s; {fired}", flush=True)


def _dips(made: stage.Stage, end: float) -> float:
    """How many counters ever fell, though workers were killed."""
    window = f"{int(end - made.began)}s"
    counters = [spec.name for spec in catalogue.SPECS.values() if spec.type == "counter"]
    return sum(
        made.prometheus.value(f"count(resets({name}[{window}]) > 0) or vector(0)", end)
        for name in counters
    )


def _lost(made: stage.Stage, end: float) -> float:
    """Requests that only the simulator counted: they were in flight when a worker was killed."""
    window = f"{int(end - made.began)}s"
    seen = made.prometheus.value(f"sum(max_over_time(noggin_requests_total[{window}]))", end)
    return len(made.api.log()) - seen


if __name__ == "__main__":
    sys.exit(main())
