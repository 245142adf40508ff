"""Backoff: growing, capped, jittered, and over after max_attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noggin_mp.domain import retry

policies = st.builds(
    retry.RetryPolicy,
    max_attempts=st.integers(1, 50),
    backoff_base_s=st.floats(0, 1e6),
    multiplier=st.floats(1, 100),
    max_s=st.floats(0, 1e7),
)
draws = st.floats(0, 1, exclude_max=True)
counts = st.integers(0, 10_000)

DEFAULT = retry.RetryPolicy()


@pytest.mark.parametrize(
    ("delay_s", "retry_count"),
    [(60, 0), (120, 1), (240, 2), (480, 3)],
    ids=lambda value: str(value),
)
def test_decide_doubles_the_ceiling_when_failures_follow_one_another(
    delay_s: float, retry_count: int
) -> None:
    assert retry.RetryAt(delay_s=delay_s) == retry.decide(DEFAULT, retry_count, 1.0)


def test_decide_gives_up_when_the_last_attempt_failed() -> None:
    assert retry.Dead(attempts=5) == retry.decide(DEFAULT, 4, 0.5)
    assert retry.Dead(attempts=8) == retry.decide(DEFAULT, 7, 0.5)  # the policy became stricter


def test_decide_gives_up_at_once_when_one_attempt_is_allowed() -> None:
    assert retry.Dead(attempts=1) == retry.decide(retry.RetryPolicy(max_attempts=1), 0, 0.0)


@given(policy=policies, count=counts, draw=draws)
def test_decide_stays_within_the_cap_when_anything_is_asked(
    policy: retry.RetryPolicy, count: int, draw: float
) -> None:
    decision = retry.decide(policy, count, draw)
    if isinstance(decision, retry.Dead):
        assert count + 1 >= policy.max_attempts
        return
    assert count + 1 < policy.max_attempts
    assert 0 <= decision.delay_s <= policy.max_s
    assert decision.delay_s <= retry.ceiling_s(policy, count)


@given(policy=policies, count=counts)
def test_ceiling_never_falls_when_failures_go_on(policy: retry.RetryPolicy, count: int) -> None:
    assert retry.ceiling_s(policy, count) <= retry.ceiling_s(policy, count + 1)


@given(policy=policies, count=counts, low=draws, high=draws)
def test_decide_uses_the_whole_range_when_the_draw_grows(
    policy: retry.RetryPolicy, count: int, low: float, high: float
) -> None:
    low, high = sorted((low, high))
    first, second = retry.decide(policy, count, low), retry.decide(policy, count, high)
    if isinstance(first, retry.RetryAt) and isinstance(second, retry.RetryAt):
        assert first.delay_s <= second.delay_s
    assert type(first) is type(second)


@pytest.mark.parametrize(
    "wrong",
    [{"max_attempts": 0}, {"backoff_base_s": -1.0}, {"max_s": -1.0}, {"multiplier": 0.5}],
    ids=str,
)
def test_policy_refuses_when_a_field_makes_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        retry.RetryPolicy(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "draw"), [(-1, 0.5), (0, -0.1), (0, 1.1)])
def test_decide_refuses_when_its_input_is_out_of_range(count: int, draw: float) -> None:
    with pytest.raises(ValueError, match="out of range"):
        retry.decide(DEFAULT, count, draw)
