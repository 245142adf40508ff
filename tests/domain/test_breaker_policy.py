"""The breaker's pure policy: boundaries, and properties over random sequences."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noggin_mp.domain import breaker, outcome
from noggin_mp.domain.breaker import Event, Policy, State

NOW = 1_700_000_000.0


def votes(*streaks: int) -> dict[str, breaker.Vote]:
    found = {}
    for number, streak in enumerate(streaks):
        vote = breaker.Vote()
        vote.add(ok=1, failed=0, slow=0, streak=None, now_s=NOW, policy=Policy())
        for _ in range(streak):
            vote.add(ok=0, failed=1, slow=0, streak=1, now_s=NOW, policy=Policy())
        found[f"w{number}"] = vote
    return found


def decide(found: dict[str, breaker.Vote], *, busy: int = 0, **values: object) -> str:
    policy = Policy.of({"sample_size": 1000, **values})
    return breaker.decide(found, worker="w0", busy=busy, policy=policy, now_s=NOW)


@pytest.mark.parametrize(
    ("streaks", "busy", "expected"),
    [
        ((4, 0), 0, "none"),
        ((3, 2), 0, "trip_streak"),
        ((3, 1), 0, "none"),
        ((5,), 0, "trip_streak"),  # one busy worker may trip
        ((5, 0), 0, "quarantine"),  # a lone failing worker among several may not
        ((3, 2), 6, "none"),  # effective: max(fail_max, busy)
        ((3, 3), 6, "trip_streak"),
    ],
)
def test_decide_sums_streaks_over_the_fleet(
    streaks: tuple[int, ...], busy: int, expected: str
) -> None:
    assert decide(votes(*streaks), busy=busy) == expected


@pytest.mark.parametrize(
    ("ok", "failed", "expected"),
    [(5, 5, "trip_share"), (6, 5, "none"), (4, 5, "none"), (6, 4, "none"), (0, 10, "trip_share")],
)
def test_decide_trips_by_share_at_its_exact_boundaries(ok: int, failed: int, expected: str) -> None:
    vote = breaker.Vote()
    vote.add(ok=ok, failed=failed, slow=0, streak=None, now_s=NOW, policy=Policy())
    assert decide({"w0": vote}, sample_size=10, fail_max=100) == expected


def test_decide_forgets_outcomes_when_they_left_the_window() -> None:
    policy = Policy(fail_max=100)
    vote = breaker.Vote()
    vote.add(ok=0, failed=10, slow=0, streak=None, now_s=NOW, policy=policy)
    assert vote.totals(policy, NOW + 54) == (0, 10, 0)
    assert vote.totals(policy, NOW + 60) == (0, 0, 0)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, 5),
        (-5, 5),
        (0, 5),
        (math.nan, 5),
        (1.5, 2),
        (5, 5),
        (899.5, 900),
        (900, 900),
        (999_999_999, 900),
        (math.inf, 900),
    ],
)
def test_pause_seconds_are_clamped_and_rounded_up(asked: float | None, expected: float) -> None:
    assert breaker.pause_seconds(Policy(), asked) == expected


@given(count=st.integers(-3, 10**6), random=st.floats(0, 1, exclude_max=True))
def test_open_seconds_stay_between_the_first_and_the_cap(count: int, random: float) -> None:
    policy = Policy()
    assert 48 <= breaker.open_seconds(policy, count, random) <= policy.open_max_s


@pytest.mark.parametrize(("count", "expected"), [(1, 60), (2, 120), (4, 480), (5, 900)])
def test_open_seconds_escalate_with_each_failed_trial(count: int, expected: float) -> None:
    assert breaker.open_seconds(Policy(open_jitter=0), count, 0.5) == expected


@given(st.lists(st.sampled_from(list(Event)), max_size=30))
def test_move_never_probes_but_in_half_open_when_events_are_random(events: list[Event]) -> None:
    state = State.CLOSED
    for event in events:
        try:
            new = breaker.move(state, event)
        except breaker.IllegalMove:
            continue
        if event is Event.PROBE:
            assert state in (State.OPEN, State.HALF_OPEN, State.AUTH_STOP)
            assert new is State.HALF_OPEN
        if new is State.CLOSED and state is State.OPEN:
            assert event is Event.CLOSE  # by hand only: an open scope closes through trials
        state = new


def test_move_raises_when_it_is_not_listed() -> None:
    with pytest.raises(breaker.IllegalMove):
        breaker.move(State.OPEN, Event.TRIAL_PASSED)


def test_every_kind_of_outcome_is_classified_and_every_state_has_a_number() -> None:
    assert {breaker.classify(kind) for kind in outcome.Kind} == set(breaker.Sample)
    assert sorted(breaker.GAUGE.values()) == list(range(len(State)))


@given(
    capacity=st.integers(1, 64),
    phase=st.floats(0, 1),
    permits=st.integers(0, 63),
)
def test_ramp_grants_the_next_permit_when_its_time_has_come(
    capacity: int, phase: float, permits: int
) -> None:
    policy = Policy()
    if permits >= capacity:
        return
    at = breaker.ramp_next_s(policy, capacity, permits, phase)
    assert at <= policy.recovery_ramp_s
    assert breaker.ramp_permits(policy, capacity, at + 1e-6, phase) > permits


def test_ramp_is_over_at_once_when_it_is_off() -> None:
    assert breaker.ramp_permits(Policy(recovery_ramp_s=0), 8, 0, 0) == 8


def test_policy_of_raises_when_a_key_is_unknown() -> None:
    with pytest.raises(TypeError):
        Policy.of({"fail_maximum": 3})


def test_fingerprint_tells_tokens_apart_and_gives_none_away() -> None:
    assert breaker.fingerprint("a") != breaker.fingerprint("b")
    assert "secret" not in breaker.fingerprint("secret")


@pytest.mark.parametrize(
    ("other", "decision"),
    [
        (breaker.Vote(ok_s=95.0, at_s=99.0), breaker.Decision.NONE),
        (breaker.Vote(ok_s=95.0, at_s=97.0), breaker.Decision.TRIP_STREAK),
        (breaker.Vote(at_s=99.0), breaker.Decision.TRIP_STREAK),
        (breaker.Vote(ok_s=95.0, at_s=99.0, streak=1), breaker.Decision.TRIP_STREAK),
        (
            breaker.Vote(ok_s=9.0, at_s=99.0, streak=9, quarantined=True),
            breaker.Decision.TRIP_STREAK,
        ),
    ],
)
def test_decide_lets_no_host_trip_alone_while_another_is_well(
    other: breaker.Vote, decision: breaker.Decision
) -> None:
    policy = breaker.Policy(fail_max=5, sample_size=1000)
    votes = {f"ann/{slot}": breaker.Vote(streak=3, at_s=100.0) for slot in range(2)}
    votes["bob/0"] = other
    found = breaker.decide(votes, worker="ann/0", busy=0, policy=policy, now_s=100.0)
    assert found is decision
    lone = breaker.Policy(fail_max=5, sample_size=1000, min_voters=1)
    found = breaker.decide(votes, worker="ann/0", busy=0, policy=lone, now_s=100.0)
    assert found is breaker.Decision.TRIP_STREAK
