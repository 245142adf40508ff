"""Job threads: as many as wanted, more at once, fewer as they finish."""

import queue as queues
import threading
from collections.abc import Iterator

import pytest

from noggin_mp.worker import threads
from tests.support.wait import until


class Bench:
    """Threads whose jobs end when they are let go."""

    def __init__(self) -> None:
        self.jobs: queues.SimpleQueue[object] = queues.SimpleQueue()
        self.go = threading.Semaphore(0)
        self.begun = self.ended = 0
        self.guard = threading.Lock()
        self.threads = threads.Threads(self.jobs, self.carry)  # type: ignore[arg-type]

    def carry(self, item: object) -> None:
        with self.guard:
            self.begun += 1
        self.go.acquire()
        with self.guard:
            self.ended += 1

    def work(self, jobs: int) -> None:
        for number in range(jobs):
            self.jobs.put(number)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.threads.close()
    made.go.release(1000)
    until(lambda: made.threads.alive == 0, what="the end of all threads")


def test_more_start_at_once_when_more_are_wanted(bench: Bench) -> None:
    bench.threads.resize(2)
    bench.work(6)
    until(lambda: bench.begun == 2)
    bench.threads.resize(5)

    until(lambda: bench.begun == 5)
    assert bench.threads.alive == 5


def test_busy_ones_end_when_they_are_done_and_the_rest_goes_on(bench: Bench) -> None:
    bench.threads.resize(4)
    bench.work(4)
    until(lambda: bench.begun == 4)
    bench.threads.resize(1)
    assert bench.threads.alive == 4  # each has its job to finish
    bench.go.release(4)
    until(lambda: bench.threads.alive == 1)
    bench.work(3)
    bench.go.release(3)

    until(lambda: bench.ended == 7)
    assert bench.threads.alive == 1


def test_idle_ones_end_at_once_when_fewer_are_wanted(bench: Bench) -> None:
    bench.threads.resize(6)
    bench.threads.resize(2)

    until(lambda: bench.threads.alive == 2)


def test_number_is_right_when_wishes_follow_quickly(bench: Bench) -> None:
    for wanted in (8, 1, 6, 2, 7, 3):
        bench.threads.resize(wanted)
    until(lambda: bench.threads.alive == 3)
    bench.work(9)
    bench.go.release(9)

    until(lambda: bench.ended == 9)
    assert bench.threads.alive == 3
