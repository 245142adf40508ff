"""Writes every generated file of `grafana/`, or with `--check` names those that differ."""

import json
import sys
from pathlib import Path

from grafana.generator import fleet, imports, rule_tests, types, worker

GRAFANA = Path(__file__).resolve().parents[1]
DASHBOARDS = {
    "fleet": fleet.build,
    "worker": worker.build,
    "imports": imports.build,
    "types": types.build,
}


def files() -> dict[Path, str]:
    """Every generated file and its text."""
    made = {
        GRAFANA / "dashboards" / f"{name}.json": json.dumps(build().json(), indent=2) + "\n"
        for name, build in DASHBOARDS.items()
    }
    rules = GRAFANA / "prometheus" / "rules" / "alerts.yml"
    tests = GRAFANA / "prometheus" / "tests"
    return made | {tests / name: text for name, text in rule_tests.texts(rules).items()}


def main(words: list[str]) -> int:
    """Write what differs; with `--check` only name it, and give 1 when there is any."""
    stale = [
        path
        for path, text in files().items()
        if not path.exists() or path.read_text("utf-8") != text
    ]
    for path in stale:
        print(path.relative_to(GRAFANA))
        if "--check" not in words:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files()[path], "utf-8")
    return 1 if stale and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
