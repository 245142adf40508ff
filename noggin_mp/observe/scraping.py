"""One scrape: the slots' files added up, and the series of those who have no file."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import prometheus_client
from prometheus_client import CollectorRegistry, metrics_core

from noggin_mp.observe import catalogue, merge, slot_files


class Collector(Protocol):
    """Something that gives series when asked, such as the monitor's view of the queue."""

    def collect(self) -> Iterable[metrics_core.Metric]:
        """The series of now."""


class _Quarantined:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[metrics_core.Metric]:
        """How many files were put aside."""
        found = catalogue.family("metrics_files_quarantined")
        found.add_metric([], slot_files.quarantined(self._directory))
        yield found


class Scraper:
    """The text of scrapes of one folder; keep it, for what it has parsed once is not parsed again.

    `extra` give what is not in files. One that fails is left out: absent is right, and a scrape
    must not fail.
    """

    def __init__(self, directory: Path, extra: Iterable[Collector] = ()) -> None:
        self._merged = merge.Merged(directory)
        self._registry = CollectorRegistry()
        for collector in (*extra, _Quarantined(directory)):
            self._registry.register(_Shielded(collector))

    def text(self) -> bytes:
        """All slots' series added up, then the extra ones."""
        return self._merged.text().encode() + prometheus_client.generate_latest(self._registry)


def collect(directory: Path, extra_collectors: Iterable[Collector] = ()) -> bytes:
    """The text of one scrape."""
    return Scraper(directory, extra_collectors).text()


class _Shielded:
    def __init__(self, inner: Collector) -> None:
        self._inner = inner

    def describe(self) -> Iterable[metrics_core.Metric]:
        """Nothing: registering must not run a collector."""
        return []

    def collect(self) -> Iterable[metrics_core.Metric]:
        """The inner collector's series, or none."""
        collected: Callable[[], Iterable[metrics_core.Metric]] = self._inner.collect
        try:
            return list(collected())
        except Exception:
            return []
