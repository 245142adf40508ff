"""What the breaker's recent past says about its policy: suggestions with their evidence.

Nothing is applied. Each rule looks at one kind of evidence and names one key.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Final

from noggin_mp.domain import breaker
from noggin_mp.domain.outcome import Role

THROTTLED_PERCENT: Final = 5
"""From this share of 429s on the rate is too high..."""
RATE_SHARE: Final = Fraction(4, 5)
"""...and this share of it is suggested."""
RETRY_AFTER_S: Final = (15, 900)
"""A Retry-After between these speaks about an outage; a shorter one about a rate."""
TRIPS: Final = 3
FALSE_TRIPS: Final = 2
TRIALS: Final = 2
TRIALS_FAILED_PERCENT: Final = 50
LEAST_FAIL_MAX: Final = 2
"""Below it a single failure would stop the fleet."""
MOST_SAMPLES: Final = 100_000


class Rule(StrEnum):
    """The rules, by what they look at."""

    THROTTLED = "throttled"
    RETRY_AFTER = "retry_after"
    OPEN_TIME = "open_time"
    TRIPS = "trips"
    TRIALS = "trials"
    FALSE_TRIPS = "false_trips"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One row of the history. `result` is a trial's, `decision` is why a trip tripped."""

    type: str
    at_s: float
    result: str | None = None
    decision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One outage as the breaker saw it.

    `open_s` is how long it took until trials closed it; None when it is not over, or a person
    ended it.
    """

    open_s: float | None = None
    failed_trials: int = 0
    by_streak: bool = False

    @property
    def false(self) -> bool:
        """True when the very first trial found the API well."""
        return self.open_s is not None and self.failed_trials == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleFacts:
    """What happened to one role of a host, under its policy; `failures` are counts by reason."""

    policy: breaker.Policy
    events: tuple[Event, ...] = ()
    requests: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What happened to one host.

    `requests` includes the `throttled` ones (429); they fell into `minutes` minutes. `waits_s` are
    the lengths of pauses. `rates` are the rates configured: of the host (None) and of the roles
    that have their own.
    """

    host: str
    requests: int = 0
    throttled: int = 0
    minutes: int = 0
    waits_s: tuple[float, ...] = ()
    rates: Mapping[Role | None, str] = field(default_factory=dict)
    roles: Mapping[Role, RoleFacts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One key to change, from what to what, and the evidence as a sentence."""

    rule: Rule
    host: str
    role: Role | None
    section: str
    key: str
    old: str | int | float | None
    new: str | int | float
    evidence: str

    @property
    def path(self) -> tuple[str, ...]:
        """Where the key stands in the configuration."""
        roles = () if self.role is None else ("roles", str(self.role))
        return (self.section, "hosts", self.host, *roles, self.key)


def advise(facts: HostFacts) -> list[Suggestion]:
    """Every suggestion for one host; none when all is as it should be."""
    found = list(_rates(facts))
    for role, of_role in facts.roles.items():
        if of_role.requests or of_role.events:
            found += _Role(facts, role, of_role).suggestions()
    return found


def patch(suggestions: Iterable[Suggestion]) -> dict[str, object]:
    """The suggestions as a piece of configuration."""
    whole: dict[str, object] = {}
    for one in suggestions:
        section = whole
        for part in one.path[:-1]:
            inner = section.setdefault(part, {})
            assert isinstance(inner, dict)
            section = inner
        section[one.key] = one.new
    return whole


def trips(events: Sequence[Event]) -> tuple[Trip, ...]:
    """The trips in the events of one scope, oldest first; one that began before them is none."""
    found: list[Trip] = []
    began: Event | None = None
    failed = 0
    for one in events:
        ended = one.type in ("trip", "close", "reset", "force")
        if began is not None and ended:
            by_trial = one.type == "close" and one.result == "success"
            found.append(_trip(began, failed, one.at_s if by_trial else None))
            began = None
        if one.type == "trip":
            began, failed = one, 0
        elif one.result == "failure":
            failed += 1
    if began is not None:
        found.append(_trip(began, failed, None))
    return tuple(found)


def trials(events: Iterable[Event]) -> tuple[int, int]:
    """How many trials there were, and how many of them failed."""
    results = [one.result for one in events if one.result in ("success", "failure")]
    return len(results), results.count("failure")


def lowered(rate: str) -> str:
    """A rate such as `10/s, 1000/h` with four fifths of each limit."""
    return ", ".join(_lowered(part.strip()) for part in rate.split(","))


def _lowered(part: str) -> str:
    limit, _, window = part.partition("/")
    share = Fraction(limit.strip()) * RATE_SHARE
    if share.denominator == 1 or share >= 10:
        return f"{math.floor(share)}/{window.strip()}"
    return f"{float(share):.4f}".rstrip("0").rstrip(".") + f"/{window.strip()}"


def _trip(began: Event, failed: int, closed_at_s: float | None) -> Trip:
    return Trip(
        open_s=None if closed_at_s is None else closed_at_s - began.at_s,
        failed_trials=failed,
        by_streak=began.decision == "trip_streak",
    )


def _rates(facts: HostFacts) -> Iterator[Suggestion]:
    if not facts.throttled or facts.throttled * 100 < THROTTLED_PERCENT * facts.requests:
        return
    percent = 100 * facts.throttled / facts.requests
    evidence = (
        f"{facts.throttled} of {facts.requests} requests ({percent:.1f} %) were answered with 429"
    )
    for role, rate in facts.rates.items():
        yield _rate(facts, role, rate, lowered(rate), evidence)
    if not facts.rates and facts.minutes:
        per_minute = Fraction(facts.requests, facts.minutes)
        new = f"{max(1, math.floor(per_minute * RATE_SHARE))}/m"
        evidence += f"; without a limit there were {float(per_minute):.0f} requests a minute"
        yield _rate(facts, None, None, new, evidence)


def _rate(
    facts: HostFacts, role: Role | None, old: str | None, new: str, evidence: str
) -> Suggestion:
    return Suggestion(
        rule=Rule.THROTTLED, host=facts.host, role=role, section="pacing", key="rate",
        old=old, new=new, evidence=evidence,
    )  # fmt: skip


class _Role:
    """The rules about one role's breaker."""

    def __init__(self, host: HostFacts, role: Role, facts: RoleFacts) -> None:
        self._host, self._role, self._facts = host, role, facts
        self._trips = trips(facts.events)
        self._false = [one for one in self._trips if one.false]

    def suggestions(self) -> Iterator[Suggestion]:
        """What each rule says."""
        yield from self._open_duration()
        yield from self._fail_max()
        yield from self._success_threshold()
        yield from self._sample_size()

    def _suggestion(self, rule: Rule, key: str, new: int, evidence: str) -> Suggestion:
        return Suggestion(
            rule=rule, host=self._host.host, role=self._role, section="breaker", key=key,
            old=getattr(self._facts.policy, key), new=new, evidence=evidence,
        )  # fmt: skip

    def _open_duration(self) -> Iterator[Suggestion]:
        policy = self._facts.policy
        least, most = RETRY_AFTER_S
        # A pause of exactly the default is one without a usable Retry-After.
        told = [s for s in self._host.waits_s if least <= s <= most and s != policy.pause_default_s]
        took = [one.open_s for one in self._trips if one.open_s is not None]
        if told:
            rule, seconds, noise = Rule.RETRY_AFTER, statistics.median(told), 0.0
            evidence = f"the median of {len(told)} Retry-After is {seconds:g} s"
        elif took:
            # The open time is itself jittered by so much: within that it confirms what is set.
            rule, seconds = Rule.OPEN_TIME, statistics.median(took)
            noise = policy.open_jitter * policy.open_duration_s
            evidence = f"it took {seconds:.0f} s (median of {len(took)} trips) to close again"
        else:
            return
        new = min(max(1, math.ceil(seconds)), math.floor(policy.open_max_s))
        if new >= 1 and abs(new - policy.open_duration_s) > noise:
            yield self._suggestion(rule, "open_duration_s", new, evidence)

    def _fail_max(self) -> Iterator[Suggestion]:
        old, count = self._facts.policy.fail_max, len(self._trips)
        if count < TRIPS or old <= LEAST_FAIL_MAX or 2 * len(self._false) >= count:
            return  # where trips are mostly false, tripping earlier would make it worse
        new = max(LEAST_FAIL_MAX, min(old - 1, old * 4 // 5))
        evidence = f"{count} trips, {len(self._false)} of them false{self._reasons()}"
        yield self._suggestion(Rule.TRIPS, "fail_max", new, evidence)

    def _success_threshold(self) -> Iterator[Suggestion]:
        count, failed = trials(self._facts.events)
        if count >= TRIALS and failed * 100 >= TRIALS_FAILED_PERCENT * count:
            evidence = f"{failed} of {count} trial requests failed"
            new = self._facts.policy.success_threshold + 1
            yield self._suggestion(Rule.TRIALS, "success_threshold", new, evidence)

    def _sample_size(self) -> Iterator[Suggestion]:
        count = len(self._false)
        if count < FALSE_TRIPS:
            return
        evidence = f"{count} of {len(self._trips)} trips were closed by their first trials"
        streaks = sum(one.by_streak for one in self._false)
        if streaks:
            evidence += f"; {streaks} were tripped by a streak, for which fail_max counts"
        new = min(2 * self._facts.policy.sample_size, MOST_SAMPLES)
        yield self._suggestion(Rule.FALSE_TRIPS, "sample_size", new, evidence)

    def _reasons(self) -> str:
        worst = sorted(self._facts.failures.items(), key=lambda one: (-one[1], one[0]))[:3]
        return "; failures: " + ", ".join(f"{n} {why}" for why, n in worst) if worst else ""
