"""The SQL of pacing and the pure policy decide alike."""

import datetime
import random
from typing import Any

import pytest

from noggin_mp.domain import pacing, places
from noggin_mp.store import session

SCOPE = "api.example"
START = 1_700_000_000.25
RATES = ["10/s", "3/s, 100/m", "200/s", "1/10s", "10/s, 1000/h", "2.5/s, 40/m, 900/h", "1/h"]


def _reserve(
    conn: session.Connection, windows: tuple[pacing.Window, ...], n: int, now: float, adaptive: bool
) -> dict[str, Any]:
    row = conn.execute(
        "SELECT pacing_reserve(%s, %s, %s, %s, %s, %s, %s, %s)",
        (
            SCOPE,
            [window.interval_s for window in windows],
            [window.burst for window in windows],
            adaptive,
            n,
            pacing.HORIZON_S,
            pacing.CHUNK_S,
            now,
        ),
    ).fetchone()
    assert row is not None
    return dict(row[0])


@pytest.mark.parametrize("seed", range(10))
def test_reserve_gives_the_same_slots_as_the_pure_policy_when_sequences_are_random(
    conn: session.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    state, factor, now = None, pacing.Factor(), START
    windows, adaptive = pacing.parse(dice.choice(RATES)), dice.random() < 0.5
    for number in range(120):
        now += dice.choice([0.0, 0.001, 0.13, 0.4, 3.0, 40.0, -0.5])
        if dice.random() < 0.05:
            windows = pacing.parse(dice.choice(RATES))
        if state is not None and dice.random() < 0.1:
            factor = pacing.slowed(factor, now)
            row = conn.execute("SELECT pacing_slow(%s, %s)", (SCOPE, now)).fetchone()
            assert row == (factor.value,)
        n = dice.choice([1, 1, 3, 8, 200])
        share = pacing.factor_at(factor, now) if adaptive else 1.0
        expected = pacing.reserve(state, windows, n=n, now=now, factor=share)
        found = _reserve(conn, windows, n, now, adaptive)
        assert found["offsets"] == [slot - now for slot in expected.slots], number
        assert found["wait_s"] == expected.wait_s, number
        state = expected.state
        if state is not None:
            row = conn.execute("SELECT tats, last_slot FROM pacing_state").fetchone()
            assert row == (list(state.tats), state.last)


def test_reserve_writes_nothing_when_no_slot_is_given(conn: session.Connection) -> None:
    windows = pacing.parse("1/h")
    assert _reserve(conn, windows, 1, START, False)["offsets"] == [0]
    before = conn.execute("SELECT xmin, updated_at FROM pacing_state").fetchone()
    assert _reserve(conn, windows, 1, START + 1, False)["wait_s"] > 3590
    assert conn.execute("SELECT xmin, updated_at FROM pacing_state").fetchone() == before


@pytest.mark.parametrize("seed", range(6))
def test_share_is_that_of_the_pure_policy_when_sequences_are_random(
    conn: session.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    cap, now = dice.choice([1, 3, 8, 20]), START
    known: dict[str, tuple[int, int, float]] = {}
    for number in range(80):
        now += dice.choice([0.1, 1.0, 4.0, 30.0])
        worker = f"h/{dice.randrange(5)}"
        known = {who: one for who, one in known.items() if now - one[2] < places.TTL_S}
        held = known.get(worker, (0, 0, now))[0]
        taken = dice.randint(0, held)
        wanted = taken + dice.randint(0, 6)
        expected = places.target(
            cap,
            places.Share(held=held, wanted=wanted),
            [
                places.Share(held=other, wanted=want, fresh=now - at < places.FRESH_S)
                for who, (other, want, at) in known.items()
                if who != worker
            ],
        )
        row = conn.execute(
            "SELECT pacing_share(%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                SCOPE,
                worker,
                cap,
                taken,
                wanted,
                places.TTL_S,
                places.FRESH_S,
                datetime.datetime.fromtimestamp(now, datetime.UTC),
            ),
        ).fetchone()
        assert row == (expected,), number
        known[worker] = (max(taken, expected), wanted, now)
        assert sum(one[0] for one in known.values()) <= cap
