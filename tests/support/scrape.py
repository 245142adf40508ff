"""A monitor's pages over real HTTP: status, text, and /metrics as numbers."""

import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import parser

from tests.support import fleet, wait


@dataclass(frozen=True, slots=True)
class Series:
    """What one scrape showed: name and labels -> value."""

    values: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def of(self, name: str, **labels: str) -> dict[frozenset[tuple[str, str]], float]:
        """The series of `noggin_<name>` that have these labels."""
        wanted = set(labels.items())
        return {
            found: value
            for (series, found), value in self.values.items()
            if series == f"noggin_{name}" and wanted <= found
        }

    def sum(self, name: str, **labels: str) -> float:
        """Their sum. Raises: AssertionError when there is none, which is not the same as 0."""
        found = self.of(name, **labels)
        assert found, f"no series noggin_{name} with {labels}"
        return sum(found.values())


@dataclass(frozen=True, slots=True)
class Pages:
    """What a monitor serves at `address` (host:port)."""

    address: str

    def get(self, path: str) -> tuple[int, str]:
        """Status and text."""
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def status(self, path: str) -> int:
        """The status, 0 when nobody answers."""
        try:
            return self.get(path)[0]
        except OSError:
            return 0

    def series(self) -> Series:
        """One scrape."""
        code, text = self.get("/metrics")
        assert code == 200
        return Series(
            {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in parser.text_string_to_metric_families(text)
                for sample in family.samples
            }
        )


def pages(site: fleet.Site) -> Pages:
    """The pages of the site's fleet, once it answers."""
    address = wait.until(
        lambda: fleet.supervisor_file(site).get("listening"), timeout_s=60, what="a listener"
    )
    found = Pages(str(address))
    wait.until(lambda: found.status("/readyz") == 200, timeout_s=60, what="a ready monitor")
    return found


def chromium() -> Path | None:
    """The browser, when this machine has one."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = Path("/usr/bin", name)
        if path.exists():
            return path
    return None
