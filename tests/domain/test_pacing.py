"""The pace: no window holds more than its limit, and little of it is wasted."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noggin_mp.domain import pacing, places

ROUNDING_S = 1e-5
"""Of seconds since 1970 in double precision, added up."""
START = 1_700_000_000.0

WINDOWS = st.lists(
    st.builds(
        pacing.Window,
        limit=st.integers(1, 400),
        seconds=st.sampled_from([1.0, 2.0, 10.0, 60.0, 3600.0]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda window: window.seconds,
).map(tuple)
ASKS = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(0, 20.0), st.floats(0, 4000.0)),
        st.integers(1, 40),
        st.sampled_from([1.0, 1.0, 0.7, 0.05]),
    ),
    max_size=80,
)


def _assert_kept(windows: tuple[pacing.Window, ...], sent: list[float]) -> None:
    sent = sorted(sent)
    for window in windows:
        for first, beyond in zip(sent, sent[window.limit :], strict=False):
            assert beyond - first >= window.seconds - ROUNDING_S, window


@given(windows=WINDOWS, asks=ASKS, late=st.randoms(use_true_random=False))
def test_reserve_keeps_every_sliding_window_when_asks_are_random_and_requests_late(
    windows: tuple[pacing.Window, ...], asks: list[tuple[float, int, float]], late: random.Random
) -> None:
    state, now, sent = None, START, list[float]()
    slack = min(window.slack_s for window in windows)
    for pause, n, factor in asks:
        now += pause
        reservation = pacing.reserve(state, windows, n=n, now=now, factor=factor)
        state = reservation.state
        assert (reservation.wait_s > 0) == (not reservation.slots)
        assert all(
            now <= slot <= now + pacing.HORIZON_S + pacing.CHUNK_S for slot in reservation.slots
        )
        sent += [slot + late.uniform(0, slack) for slot in reservation.slots]
    _assert_kept(windows, sent)


@given(windows=WINDOWS, n=st.integers(1, 16))
def test_reserve_gives_95_percent_when_there_is_always_work(
    windows: tuple[pacing.Window, ...], n: int
) -> None:
    state, now, sent = None, START, list[float]()
    while len(sent) < 400:
        reservation = pacing.reserve(state, windows, n=n, now=now)
        state = reservation.state
        sent += reservation.slots
        now += reservation.wait_s
    pace = min(window.limit / window.seconds for window in windows)
    assert len(sent) - 1 >= 0.95 * pace * (sent[-1] - sent[0])


@given(
    changes=st.lists(
        st.tuples(st.integers(0, 1), st.floats(0, 3.0), st.integers(1, 9)), max_size=80
    )
)
def test_reserve_stays_within_the_higher_limit_when_two_limits_take_turns(
    changes: list[tuple[int, float, int]],
) -> None:
    # As during a rolling reload: some workers ask by the old limit, some by the new one.
    both = pacing.parse("10/s, 60/m"), pacing.parse("10/s, 90/m")
    state, now, sent = None, START, list[float]()
    for which, pause, n in changes:
        now += pause
        reservation = pacing.reserve(state, both[which], n=n, now=now)
        state = reservation.state
        sent += reservation.slots
    _assert_kept(both[1], sent)


def test_reserve_lets_a_burst_through_when_a_long_window_was_quiet() -> None:
    windows = pacing.parse("10/s, 1000/h")
    state = pacing.reserve(None, windows, n=1, now=START).state
    later = pacing.reserve(state, windows, n=1, now=START + 600).state
    slots = [pacing.reserve(later, windows, n=1, now=START + 600 + 0.2 * k) for k in range(1, 3)]
    assert [bool(found.slots) for found in slots] == [True, True]


def test_reserve_takes_a_new_limit_at_once_when_the_old_one_was_slow() -> None:
    state = pacing.reserve(None, pacing.parse("1/h"), n=1, now=START).state
    assert not pacing.reserve(state, pacing.parse("1/h"), n=1, now=START + 5).slots
    assert pacing.reserve(state, pacing.parse("10/s"), n=1, now=START + 5).slots


def test_reserve_waits_seconds_not_hours_when_the_clock_was_set_back() -> None:
    windows = pacing.parse("10/s")
    state = pacing.reserve(None, windows, n=4, now=START).state
    back = START - 7200
    refused = pacing.reserve(state, windows, n=1, now=back)
    assert not refused.slots
    assert refused.wait_s < 1
    assert pacing.reserve(refused.state, windows, n=1, now=back + refused.wait_s).slots


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("10/s", [(10, 1)]),
        (" 10 / s,1000/h ", [(10, 1), (1000, 3600)]),
        ("5/10s, 300/m, 1/d", [(5, 10), (300, 60), (1, 86_400)]),
        ("2.5/s", [(5, 2)]),
        ("0.1/s", [(1, 10)]),
    ],
)
def test_parse_reads_windows_when_the_rate_is_well_formed(
    rate: str, expected: list[tuple[int, float]]
) -> None:
    assert [(w.limit, w.seconds) for w in pacing.parse(rate)] == expected


@pytest.mark.parametrize(
    ("rate", "part"),
    [("10", "10"), ("1/s, x/m", "x/m"), ("0/s", "0/s"), ("1/0s", "1/0s"), ("1/s, 2/1s", "")],
)
def test_parse_names_the_part_when_the_rate_is_malformed(rate: str, part: str) -> None:
    with pytest.raises(pacing.BadRate) as caught:
        pacing.parse(rate)
    assert str(caught.value) == part


def test_slowed_lowers_once_and_grows_back_when_complaints_come_together() -> None:
    once = pacing.slowed(pacing.Factor(), START)
    assert once == pacing.Factor(value=pacing.DECREASE, at=START)
    assert pacing.slowed(once, START + 1) == once
    assert pacing.factor_at(once, START + 60) == pytest.approx(pacing.DECREASE + 0.1)
    assert pacing.factor_at(once, START + 3600) == 1.0
    worse = once
    for number in range(40):
        worse = pacing.slowed(worse, START + 6 * number)
    assert worse.value == pacing.FLOOR


@given(
    cap=st.integers(1, 12),
    steps=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["ask", "begin", "end"]), st.integers(0, 9)),
        max_size=200,
    ),
)
def test_places_in_flight_stay_within_the_cap_when_workers_act_at_random(
    cap: int, steps: list[tuple[int, str, int]]
) -> None:
    held, wanted, taken, allowed = [0] * 5, [0] * 5, [0] * 5, [0] * 5
    for who, act, amount in steps:
        if act == "begin" and taken[who] < allowed[who]:
            taken[who] += 1
        elif act == "end" and taken[who] > 0:
            taken[who] -= 1
        elif act == "ask":
            others = [
                places.Share(held=held[other], wanted=wanted[other])
                for other in range(5)
                if other != who
            ]
            wanted[who] = taken[who] + amount
            mine = places.Share(held=held[who], wanted=wanted[who])
            allowed[who] = places.target(cap, mine, others)
            held[who] = max(taken[who], allowed[who])
        assert sum(held) <= cap
        assert sum(taken) <= cap


@pytest.mark.parametrize(
    ("cap", "mine", "others", "expected"),
    [
        (8, (0, 5), [], 5),
        (8, (0, 9), [(3, 3)], 5),
        (8, (8, 8), [(0, 8)], 4),
        (10, (2, 8), [(2, 8), (2, 8), (2, 8)], 3),
        (6, (2, 8), [(2, 8), (2, 8), (0, 8)], 1),
        (2, (1, 8), [(1, 8), (0, 8)], 0),
        (2, (0, 8), [(1, 8), (0, 8)], 1),
        (2, (0, 8), [(1, 8), (1, 8)], 0),
    ],
)
def test_target_shares_fairly_when_somebody_goes_short(
    cap: int, mine: tuple[int, int], others: list[tuple[int, int]], expected: int
) -> None:
    found = places.target(
        cap,
        places.Share(held=mine[0], wanted=mine[1]),
        [places.Share(held=held, wanted=wanted) for held, wanted in others],
    )
    assert found == expected
