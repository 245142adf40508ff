"""All slots' files read, added up and written as Prometheus's text: what one scrape costs.

The library's collector parses every key at every scrape: a quarter of a second with 32 workers.
A key never moves within its file, so each is parsed once here, and a scrape only unpacks numbers.
Source: prometheus_client/mmap_dict.py, the layout of the files; a test compares the two.
"""

import json
import math
import struct
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noggin_mp.observe import catalogue, slot_files

_LENGTH = struct.Struct("i")
_VALUE = struct.Struct("dd")  # the value, and when it was written
_FIRST_ENTRY = 8

ABSENT = math.nan
"""A gauge with this value is left out of the text: a file cannot forget a series."""

Labels = tuple[tuple[str, str], ...]


class Corrupt(ValueError):
    """A file that no writer of ours can have left like this."""


@dataclass(frozen=True, slots=True, eq=False)  # one object per key: identity is quick to hash
class Series:
    """What a key says: its metric, its line in the text, and for buckets their upper bound."""

    spec: catalogue.Spec
    head: str
    labels: Labels
    bound: float | None = None


@dataclass(slots=True)
class _Known:
    """What has been parsed of one file: up to which byte, and where the values are."""

    inode: int
    parsed_to: int = _FIRST_ENTRY
    entries: list[tuple[int, Series]] = field(default_factory=list)


class Merged:
    """The text of all slots' files of a folder; a corrupt one is put aside. Safe for threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        self._series: dict[bytes, Series] = {}

    def text(self) -> str:
        """Every series, those of several slots with the same labels added up."""
        with self._lock:
            sums: dict[Series, float] = defaultdict(float)
            latest: dict[Series, tuple[float, float]] = {}
            for file in sorted(self._directory.glob("*.db")):
                newest = file.name.startswith("gauge")
                for series, value, written in self._read(file):
                    if not newest:
                        sums[series] += value
                    elif written >= latest.get(series, (0.0, 0.0))[0]:
                        latest[series] = (written, value)
            gauges = {series: value for series, (_, value) in latest.items() if value == value}
        return "".join(_lines({**sums, **gauges}))

    def _read(self, file: Path) -> list[tuple[Series, float, float]]:
        for _ in range(2):  # a file that is being made, or written to just now, heals in an instant
            try:
                return self._values(file)
            except FileNotFoundError:
                return []
            except (Corrupt, OSError):
                self._known.pop(file.name, None)
        slot_files.quarantine(file)
        return []

    def _values(self, file: Path) -> list[tuple[Series, float, float]]:
        with file.open("rb") as stream:
            inode = slot_files.inode(stream)
            head = stream.read(_FIRST_ENTRY)
            if not head.strip(b"\0"):
                return []  # just made
            used = used_bytes(head)
            data = head + stream.read(max(0, used - len(head)))
        if len(data) < used:
            raise Corrupt(f"{used} bytes are said to be used of {len(data)}")
        known = self._known.get(file.name)
        if known is None or known.inode != inode or known.parsed_to > used:
            known = self._known[file.name] = _Known(inode)
        for key, at in entries(data, known.parsed_to, used):
            known.entries.append((at, self._named(key)))
        known.parsed_to = used
        unpack = _VALUE.unpack_from
        return [(series, *unpack(data, at)) for at, series in known.entries]

    def _named(self, key: bytes) -> Series:
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = parse_key(key)
        return series


def used_bytes(head: bytes) -> int:
    """How many bytes of a file are in use, by its first ones. Raises: Corrupt."""
    if len(head) < _FIRST_ENTRY:
        raise Corrupt("the file is too short")
    used: int = _LENGTH.unpack_from(head)[0]
    if used < _FIRST_ENTRY:
        raise Corrupt(f"{used} bytes are said to be used")
    return used


def entries(data: bytes, start: int, used: int) -> Iterator[tuple[bytes, int]]:
    """The keys from `start` on, each with the place of its value. Raises: Corrupt."""
    at = start
    while at < used:
        if at + _LENGTH.size > used:
            raise Corrupt("an entry is cut off")
        length = _LENGTH.unpack_from(data, at)[0]
        begin = at + _LENGTH.size
        value_at = begin + length + (8 - (length + _LENGTH.size) % 8)
        if length < 0 or value_at + _VALUE.size > used:
            raise Corrupt("an entry is longer than the file")
        yield data[begin : begin + length], value_at
        at = value_at + _VALUE.size


def parse_key(key: bytes) -> Series:
    """What a key of the library's says. Raises: Corrupt when it is none of ours."""
    try:
        _, sample, labels, _ = json.loads(key)
        pairs = sorted((str(name), str(value)) for name, value in labels.items())
        spec = catalogue.of_sample(sample)
        bounds = [value for name, value in pairs if name == "le"]
        bound = float(bounds[0]) if bounds else None
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Corrupt(f"a key is none of ours: {type(error).__name__}") from error
    others = tuple(pair for pair in pairs if pair[0] != "le")
    return Series(spec=spec, head=head(sample, pairs), labels=others, bound=bound)


def head(name: str, labels: Iterable[tuple[str, str]]) -> str:
    """The part of a line before its value."""
    told = ",".join(f'{label}="{_escaped(value)}"' for label, value in labels)
    return f"{name}{{{told}}} " if told else f"{name} "


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _lines(values: dict[Series, float]) -> Iterator[str]:
    """The text, metric by metric in the order of the catalogue."""
    by_metric: dict[str, list[Series]] = defaultdict(list)
    for series in values:
        by_metric[series.spec.name].append(series)
    for spec in catalogue.SPECS.values():
        found = by_metric.get(spec.name)
        if not found:
            continue
        yield f"# HELP {spec.name} {spec.help}\n# TYPE {spec.name} {spec.type}\n"
        if spec.type == "histogram":
            yield from _histogram(spec, found, values)
        else:
            for series in sorted(found, key=lambda one: one.head):
                yield f"{series.head}{number(values[series])}\n"


def _histogram(
    spec: catalogue.Spec, found: list[Series], values: dict[Series, float]
) -> Iterator[str]:
    """Files hold the count of each bucket alone; the text counts all up to its bound."""
    buckets: dict[Labels, list[Series]] = defaultdict(list)
    sums: dict[Labels, Series] = {}
    for series in found:
        if series.bound is None:
            sums[series.labels] = series
        else:
            buckets[series.labels].append(series)
    for labels in sorted(buckets):
        total = 0.0
        for series in sorted(buckets[labels], key=lambda one: one.bound or 0.0):
            total += values[series]
            yield f"{series.head}{number(total)}\n"
        yield f"{head(f'{spec.name}_count', labels)}{number(total)}\n"
        if labels in sums:
            yield f"{sums[labels].head}{number(values[sums[labels]])}\n"


def number(value: float) -> str:
    """The value as Prometheus reads it."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def readable(file: Path) -> bool:
    """True when every entry of the file can be read and is one of ours."""
    try:
        data: Any = file.read_bytes()
        if not data[:_FIRST_ENTRY].strip(b"\0"):
            return True
        used = used_bytes(data)
        if used > len(data):
            return False
        for key, _ in entries(data, _FIRST_ENTRY, used):
            parse_key(key)
    except FileNotFoundError:
        return True
    except (Corrupt, OSError):
        return False
    return True
