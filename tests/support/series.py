"""Metrics files written and scraped, for tests: what a scrape of a folder shows."""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from noggin_mp.domain.outcome import Attempt, Kind, Role
from noggin_mp.observe import metrics, scraping

HOST = "api.example.com"
TYPES = ("LCD", "LCS", "CCC", "FPI", "SO", "TA")
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(directory: Path, extra: Iterable[scraping.Collector] = ()) -> Series:
    """Every series of one scrape. Raises: AssertionError when one is there twice."""
    text = metrics.collect(directory, extra).decode()
    found: Series = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"twice in one scrape: {key}"
            found[key] = sample.value
    return found


def value(series: Series, name: str, **labels: str) -> float | None:
    """The value of `noggin_<name>` with exactly these labels; None when there is no such series."""
    return series.get((f"noggin_{name}", frozenset(labels.items())))


def worker(directory: Path, slot: str = "0") -> metrics.Metrics:
    """The metrics of a worker that has just started."""
    return metrics.Metrics(slot=slot, directory=directory, host=HOST, types=TYPES)


TIMEOUT = Attempt(kind=Kind.TIMEOUT, role=Role.API, reason="read_timeout", duration_s=3.0)
PHOTO = Attempt(kind=Kind.SUCCESS, role=Role.MEDIA, reason="ok", received_bytes=500)
