"""When a failed TIP is tried again, and when it is given up: backoff with full jitter."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how patiently a TIP is retried; the fields are the `retry` section's keys."""

    max_attempts: int = 5
    backoff_base_s: float = 60.0
    multiplier: float = 2.0
    max_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {self.max_attempts}")
        if self.backoff_base_s < 0 or self.max_s < 0:
            raise ValueError("backoff_base_s and max_s must not be negative")
        if self.multiplier < 1:
            raise ValueError(f"multiplier must be at least 1, not {self.multiplier}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAt:
    """Try again `delay_s` seconds from now."""

    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Give up: the TIP becomes a dead letter (`permanently_failed`) after `attempts` failures."""

    attempts: int


def ceiling_s(policy: RetryPolicy, retry_count: int) -> float:
    """The longest delay in seconds that may follow the failure number `retry_count + 1`."""
    try:
        grown = policy.backoff_base_s * policy.multiplier**retry_count
    except OverflowError:  # a float power past 1e308 is certainly past the cap
        return policy.max_s if policy.backoff_base_s else 0.0
    return min(grown, policy.max_s)


def decide(policy: RetryPolicy, retry_count: int, random01: float) -> RetryAt | Dead:
    """What follows one more charged failure of a TIP.

    `retry_count` counts the charged failures before this one (the row's `retry_count` as it was
    leased); `random01` is a uniform draw from [0, 1). Full jitter, `random01 * ceiling`, so that a
    storm of failures does not come back as a storm of retries.
    Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    if retry_count < 0 or not 0 <= random01 <= 1:
        raise ValueError(f"retry_count {retry_count} or random01 {random01} is out of range")
    attempts = retry_count + 1
    if attempts >= policy.max_attempts:
        return Dead(attempts=attempts)
    return RetryAt(delay_s=random01 * ceiling_s(policy, retry_count))
