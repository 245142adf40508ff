"""Signs of life of job threads, by a clock of our own."""

from noggin_mp.domain.tip import Tip
from noggin_mp.worker import progress

A, B = Tip("a"), Tip("b")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def _passing(clock: Clock, made: progress.Progress, seconds: int) -> float:
    """What is told after so many turns of a second each."""
    told = 0.0
    for _ in range(seconds):
        clock.now += 1
        told = made.stalled_s()
    return told


def test_progress_tells_the_most_silent_thread_when_it_is_silent_for_long() -> None:
    clock = Clock()
    made = progress.Progress(clock=clock)
    made.begun(A)
    assert _passing(clock, made, 4) == 0.0
    made.begun(B)
    assert _passing(clock, made, 6) == 10.0
    made.seen(A)
    assert made.stalled_s() == 6.0
    made.ended(B)
    assert made.stalled_s() == 0.0


def test_progress_forgets_a_thread_when_its_work_has_ended() -> None:
    clock = Clock()
    made = progress.Progress(clock=clock)
    made.begun(A)
    made.ended(A)
    made.seen(A)

    assert _passing(clock, made, 60) == 0.0


def test_progress_blames_nobody_when_the_whole_process_was_stopped() -> None:
    clock = Clock()
    made = progress.Progress(clock=clock)
    made.begun(A)
    assert _passing(clock, made, 3) == 0.0
    clock.now += 500
    assert made.stalled_s() == 0.0
    assert _passing(clock, made, 7) == 7.0
