"""Who keeps still for suspects: as many as are needed, each in its turn, never more than half."""

import pytest

from noggin_mp.domain import stillness

TURNS = [number * stillness.TURN_S for number in range(24)]


def still(workers: int, suspects: int, now: float) -> list[int]:
    return [
        slot
        for slot in range(workers)
        if stillness.keeps_still(slot=slot, workers=workers, suspects=suspects, now=now)
    ]


@pytest.mark.parametrize(
    ("workers", "suspects", "expected"),
    [(8, 0, 0), (8, 1, 1), (8, 3, 3), (8, 8, 4), (8, 500, 4), (2, 1, 1), (2, 9, 1), (3, 9, 1)],
)
def test_as_many_keep_still_as_there_are_suspects_up_to_half(
    workers: int, suspects: int, expected: int
) -> None:
    assert {len(still(workers, suspects, now)) for now in TURNS} == {expected}


def test_each_worker_has_its_turn() -> None:
    assert {slot for now in TURNS for slot in still(8, 1, now)} == set(range(8))


def test_a_worker_alone_works_every_other_turn() -> None:
    assert [len(still(1, 1, now)) for now in TURNS[:4]] in ([1, 0, 1, 0], [0, 1, 0, 1])


def test_a_slot_beyond_the_configured_number_has_turns_too() -> None:
    given = {"slot": 11, "workers": 4, "suspects": 1}
    assert any(stillness.keeps_still(**given, now=now) for now in TURNS)
    assert not all(stillness.keeps_still(**given, now=now) for now in TURNS)
