"""A scrape: corrupt files, what the library would say, and collectors that fail."""

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client import metrics_core
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from noggin_mp.domain.outcome import Attempt, Kind, Role
from noggin_mp.observe import merge, metrics
from tests.support.series import HOST, PHOTO, TIMEOUT, scraped, value, worker


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff" * 65_536,
        b"\x7f\xff\xff\x7f" + b"\x00" * 100,
        b"\x40\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00oops" + b"\x00" * 48,
        b"\xf0\xff\xff\xff" + b"\x00" * 100,
        b"abc",
    ],
)
def test_scrape_puts_a_file_aside_when_it_is_corrupt(directory: Path, damage: bytes) -> None:
    worker(directory, "0").lease_lost()
    worker(directory, "1").lease_lost()
    (directory / "counter_0.db").write_bytes(damage)

    series = scraped(directory)

    assert value(series, "lease_lost_total", worker="1") == 1
    assert value(series, "lease_lost_total", worker="0") is None
    assert value(series, "metrics_files_quarantined") == 1
    assert value(series, "worker_busy_threads", worker="0") == 0
    assert not (directory / "counter_0.db").exists()


def test_scrapes_go_on_when_a_file_is_damaged_between_them(directory: Path) -> None:
    draw = random.Random(7)
    worker(directory, "0").lease_lost()
    whole = (directory / "counter_0.db").read_bytes()
    worker(directory, "1").lease_lost()
    scraper = metrics.Scraper(directory)
    for _ in range(20):
        (directory / "counter_0.db").write_bytes(whole)
        scraper.text()
        spoilt = bytearray(whole)
        for _ in range(draw.randint(1, 30)):
            spoilt[draw.randrange(200)] = draw.randrange(256)
        (directory / "counter_0.db").write_bytes(spoilt[: draw.randrange(len(spoilt))])
        for one in (scraper, metrics.Scraper(directory)):
            text = one.text().decode()
            assert 'noggin_lease_lost_total{worker="1"} 1.0\n' in text
        list(text_string_to_metric_families(text))  # it is still a proper text


def test_file_that_heals_between_two_looks_is_counted_once(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker(directory).request(PHOTO)
    entries, looks = merge.entries, []

    def torn_at_first(data: bytes, start: int, used: int) -> Iterator[tuple[bytes, int]]:
        looks.append(start)
        found = list(entries(data, start, used))
        yield from found[:-1]
        if len(looks) == 1:
            raise merge.Corrupt("a writer was at it")
        yield found[-1]

    monkeypatch.setattr(merge, "entries", torn_at_first)
    series = scraped(directory)
    labels = {"worker": "0", "host": HOST, "role": "media", "outcome": "success"}
    assert value(series, "requests_total", **labels) == 1
    assert value(series, "metrics_files_quarantined") == 0


def test_worker_starts_anew_when_its_file_is_corrupt(directory: Path) -> None:
    (directory / "counter_0.db").write_bytes(b"\xff" * 65_536)

    worker(directory).lease_lost()

    series = scraped(directory)
    assert value(series, "lease_lost_total", worker="0") == 1
    assert value(series, "metrics_files_quarantined") == 1


def test_scrape_leaves_a_file_alone_when_it_is_just_being_made(directory: Path) -> None:
    (directory / "counter_0.db").touch()

    assert value(scraped(directory), "metrics_files_quarantined") == 0
    assert (directory / "counter_0.db").exists()


def test_prepare_wipes_what_an_earlier_fleet_left(directory: Path) -> None:
    worker(directory).lease_lost()
    (directory / "counter_0.db").write_bytes(b"\xff" * 64)
    scraped(directory)

    metrics.prepare(directory)

    assert list(scraped(directory).values()) == [0]


def test_text_is_the_librarys_when_it_reads_the_same_files(directory: Path) -> None:
    for slot in ("0", "1"):
        made = worker(directory, slot)
        for number in range(40):
            made.request(PHOTO if number % 3 else TIMEOUT)
            made.tip_settled("LCD", "complete", number / 7)
            made.attachment("published", number * 100_000)
        made.worker_busy(3, resident_bytes=2**40 + 1)
    metrics.Metrics(slot="monitor", directory=directory).leader(True)
    merged = MultiProcessCollector.merge([str(file) for file in sorted(directory.glob("*.db"))])
    library = {
        (sample.name, frozenset(sample.labels.items() if sample.labels else ())): sample.value
        for family in merged
        for sample in family.samples
    }

    ours = scraped(directory)
    assert {name: ours[name] for name in library} == library
    extra = {name for name, _ in ours.keys() - library.keys()}
    assert extra == {"noggin_metrics_files_quarantined"}


def test_scraper_reads_only_what_is_new_when_it_is_asked_again(directory: Path) -> None:
    scraper = metrics.Scraper(directory)
    first = worker(directory)
    first.lease_lost()
    assert 'noggin_lease_lost_total{worker="0"} 1.0\n' in scraper.text().decode()
    first.lease_lost()
    first.request(Attempt(kind=Kind.CONNECT, role=Role.API, reason="unreachable"))  # a new key
    text = scraper.text().decode()
    assert 'noggin_lease_lost_total{worker="0"} 2.0\n' in text
    assert 'reason="unreachable",role="api",worker="0"} 1.0\n' in text
    for file in directory.glob("*.db"):  # put aside, and made anew by a successor
        file.unlink()
    worker(directory).lease_lost()
    assert 'noggin_lease_lost_total{worker="0"} 1.0\n' in scraper.text().decode()


def test_busy_threads_and_memory_of_a_worker_end_when_it_is_dead(directory: Path) -> None:
    worker(directory, "0").worker_busy(3, resident_bytes=5)
    supervisor = metrics.Metrics(slot="supervisor", directory=directory)
    supervisor.worker_up("0", False)
    series = scraped(directory)
    assert value(series, "worker_busy_threads", worker="0") is None
    assert value(series, "worker_resident_bytes", worker="0") is None
    assert value(series, "worker_heartbeat_timestamp_seconds", worker="0") > 1e9
    supervisor.worker_gone("0")
    assert value(scraped(directory), "worker_heartbeat_timestamp_seconds", worker="0") is None


class Queue:
    def collect(self) -> Iterable[metrics_core.Metric]:
        found = metrics.family("queue_tips")
        found.add_metric(["ready", "LCD"], 5)
        yield found


class Broken:
    def collect(self) -> Iterable[metrics_core.Metric]:
        raise RuntimeError("the database is gone")


def test_scrape_shows_extra_collectors_and_survives_broken_ones(directory: Path) -> None:
    worker(directory)

    series = scraped(directory, [Broken(), Queue()])

    assert value(series, "queue_tips", state="ready", type="LCD") == 5
    assert value(series, "lease_lost_total", worker="0") == 0
