"""The advisor's rules at their exact boundaries."""

from collections.abc import Sequence
from typing import Any

import pytest

from noggin_mp.domain import advisor, breaker, pacing
from noggin_mp.domain.outcome import Role

HOST = "api.example"
POLICY = breaker.Policy()


def events(*given: str, start_s: float = 0.0) -> tuple[advisor.Event, ...]:
    """Events of one scope from words: `trip@10`, `open-@70` (a failed trial), `close+@90`."""
    made = []
    for word in given:
        name, _, at = word.partition("@")
        result = {"-": "failure", "+": "success", "?": "inconclusive"}.get(name[-1])
        made.append(
            advisor.Event(
                type=name.rstrip("-+?/"),
                at_s=start_s + float(at or 0),
                result=result,
                decision="trip_streak" if name == "trip/" else None,
            )
        )
    return tuple(made)


def outage(open_s: float, *, failed: int = 0, start_s: float = 0.0) -> tuple[advisor.Event, ...]:
    """A trip that trials closed after `open_s`, `failed` of them in vain."""
    return events("trip", *["open-"] * failed, "probe+", f"close+@{open_s}", start_s=start_s)


def role_facts(given: Sequence[advisor.Event] = (), **values: Any) -> advisor.RoleFacts:
    return advisor.RoleFacts(
        policy=values.pop("policy", POLICY), events=tuple(given), requests=1, **values
    )


def advise(given: Sequence[advisor.Event] = (), **values: Any) -> dict[str, advisor.Suggestion]:
    """Suggestions by key for a host with these events of its api role."""
    policy = values.pop("policy", POLICY)
    facts = advisor.HostFacts(
        host=HOST, roles={Role.API: role_facts(given, policy=policy)}, **values
    )
    return {one.key: one for one in advisor.advise(facts)}


@pytest.mark.parametrize(
    ("throttled", "requests", "expected"),
    [
        (5, 100, "8/s, 800/h"),  # >= 5 %
        (1, 20, "8/s, 800/h"),
        (50, 1000, "8/s, 800/h"),
        (49, 1000, None),
        (4, 100, None),
        (1, 21, None),
        (0, 0, None),
        (7, 7, "8/s, 800/h"),
    ],
)
def test_rate_is_lowered_by_a_fifth_when_five_percent_are_throttled(
    throttled: int, requests: int, expected: str | None
) -> None:
    found = advise(throttled=throttled, requests=requests, rates={None: "10/s, 1000/h"})

    assert (found["rate"].new if found else None) == expected


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("10/s", "8/s"), ("100/m", "80/m"), ("1/s", "0.8/s"), ("2.5/s", "2/s"), ("13/s", "10/s"),
        ("12/s", "9.6/s"), ("600/10m", "480/10m"), ("0.01/s", "0.008/s"), ("99 / s", "79/s"),
    ],
)  # fmt: skip
def test_lowered_gives_a_rate_that_pacing_reads(rate: str, expected: str) -> None:
    assert advisor.lowered(rate) == expected
    assert pacing.parse(advisor.lowered(rate))


def test_rate_comes_from_what_was_sent_when_none_is_configured() -> None:
    one = advise(throttled=60, requests=1200, minutes=10)["rate"]

    assert (one.old, one.new, one.path) == (None, "96/m", ("pacing", "hosts", HOST, "rate"))
    assert "60 of 1200 requests (5.0 %)" in one.evidence


def test_rate_is_at_least_one_a_minute_when_hardly_anything_was_sent() -> None:
    assert advise(throttled=1, requests=1, minutes=1)["rate"].new == "1/m"


def test_rate_is_lowered_where_it_is_configured_when_a_role_has_its_own() -> None:
    facts = advisor.HostFacts(
        host=HOST, throttled=5, requests=100, rates={None: "10/s", Role.MEDIA: "5/s"}
    )

    assert [(one.path, one.new) for one in advisor.advise(facts)] == [
        (("pacing", "hosts", HOST, "rate"), "8/s"),
        (("pacing", "hosts", HOST, "roles", "media", "rate"), "4/s"),
    ]


@pytest.mark.parametrize(
    ("waits_s", "expected"),
    [
        ((15,), 15),
        ((14,), None),  # about a rate, not about an outage
        ((900,), 900),
        ((901,), None),
        ((5, 5, 5, 30), 30),  # 5 is the pause without a usable header
        ((20, 30, 100), 30),
        ((20, 31), 26),  # whole seconds, upwards
        ((60,), None),  # as it is
        ((61,), 61),
        ((), None),
    ],
)
def test_open_duration_follows_retry_after_when_it_speaks_of_an_outage(
    waits_s: tuple[float, ...], expected: int | None
) -> None:
    found = advise(waits_s=waits_s)

    assert (found["open_duration_s"].new if found else None) == expected


def test_open_duration_ignores_a_pause_when_it_is_the_default_one() -> None:
    assert advise(waits_s=(20, 20), policy=breaker.Policy(pause_default_s=20)) == {}


@pytest.mark.parametrize(
    ("took_s", "expected"),
    [
        ((200,), 200), ((100, 300), 200), ((100, 120, 300), 120), ((73,), 73), ((47,), 47),
        ((72,), None), ((48,), None),  # within the jitter of what is set
        ((5000,), 900),  # open_max_s
        ((0.2,), 1),
    ],
)  # fmt: skip
def test_open_duration_follows_the_time_to_close_when_no_retry_after_came(
    took_s: tuple[float, ...], expected: int | None
) -> None:
    given = [
        event
        for number, seconds in enumerate(took_s)
        for event in outage(seconds, failed=1, start_s=10_000 * number)
    ]
    found = advise(given)

    one = found.get("open_duration_s")
    assert (one.new if one else None) == expected
    assert one is None or one.rule is advisor.Rule.OPEN_TIME


def test_open_duration_prefers_retry_after_when_both_are_known() -> None:
    one = advise(outage(200, failed=1), waits_s=(90,))["open_duration_s"]

    assert (one.new, one.rule) == (90, advisor.Rule.RETRY_AFTER)


@pytest.mark.parametrize(
    ("count", "fail_max", "expected"),
    [(3, 5, 4), (2, 5, None), (4, 5, 4), (3, 10, 8), (3, 3, 2), (3, 2, None), (3, 1, None)],
)
def test_fail_max_is_lowered_when_there_were_three_trips(
    count: int, fail_max: int, expected: int | None
) -> None:
    given = [event for n in range(count) for event in outage(60, failed=1, start_s=1000 * n)]
    found = advise(given, policy=breaker.Policy(fail_max=fail_max))

    one = found.get("fail_max")
    assert (one.new if one else None) == expected


@pytest.mark.parametrize(("false", "expected"), [(0, True), (1, True), (2, False), (4, False)])
def test_fail_max_is_left_alone_when_half_of_the_trips_were_false(
    false: int, expected: bool
) -> None:
    given = [
        event
        for n in range(4)
        for event in outage(60, failed=0 if n < false else 1, start_s=1000 * n)
    ]

    assert ("fail_max" in advise(given)) is expected


def test_fail_max_names_the_failures_when_they_were_written_down() -> None:
    given = [event for n in range(3) for event in outage(60, failed=1, start_s=1000 * n)]
    counts = {"http_500": 2, "http_503": 9, "read_timeout": 3, "reset": 1}
    facts = advisor.HostFacts(host=HOST, roles={Role.API: role_facts(given, failures=counts)})

    [evidence] = [one.evidence for one in advisor.advise(facts) if one.key == "fail_max"]
    assert evidence == "3 trips, 0 of them false; failures: 9 http_503, 3 read_timeout, 2 http_500"


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ("+-", True),  # 2 trials, 50 %
        ("--", True),
        ("-", False),  # one trial is no evidence
        ("++-", False),  # 33 %
        ("++--", True),
        ("+++--", False),  # 40 %
        ("-?", False),  # inconclusive: no trial
        ("", False),
    ],
)
def test_success_threshold_is_raised_when_half_of_the_trials_failed(
    results: str, expected: bool
) -> None:
    given = events("trip", *[f"{'open' if one == '-' else 'probe'}{one}" for one in results])
    found = advise(given)

    assert ("success_threshold" in found) is expected
    assert not expected or found["success_threshold"].new == 3


@pytest.mark.parametrize(("false", "expected"), [(0, None), (1, None), (2, 20), (5, 20)])
def test_sample_size_is_doubled_when_false_trips_recur(false: int, expected: int | None) -> None:
    given = [event for n in range(false) for event in outage(60, start_s=1000 * n)]
    one = advise(given).get("sample_size")

    assert (one.new if one else None) == expected


def test_sample_size_says_so_when_false_trips_were_streaks() -> None:
    given = [*events("trip/", "close+@60"), *events("trip/", "close+@60", start_s=500)]

    evidence = advise(given)["sample_size"].evidence
    assert evidence.endswith("2 were tripped by a streak, for which fail_max counts")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (events("trip@5", "half_open@65", "close+@66"), [(61, 0, True)]),
        (events("trip@5", "open-@65", "probe+@130", "close+@131"), [(126, 1, False)]),
        (events("trip@5"), [(None, 0, False)]),
        (events("trip@5", "close@9"), [(None, 0, False)]),  # by hand
        (events("trip@5", "reset@9"), [(None, 0, False)]),
        (events("trip@5", "force@9", "close@10"), [(None, 0, False)]),
        (events("trip@5", "trip@70", "close+@90"), [(None, 0, False), (20, 0, True)]),
        (events("open-@5", "close+@9"), []),  # began before the window
        (events("half_open@1", "would_trip@2"), []),
        ((), []),
    ],
)
def test_trips_are_read_from_events(
    given: tuple[advisor.Event, ...], expected: list[tuple[float | None, int, bool]]
) -> None:
    found = [(one.open_s, one.failed_trials, one.false) for one in advisor.trips(given)]

    assert found == expected


def test_advise_says_nothing_when_a_role_was_idle() -> None:
    idle = advisor.RoleFacts(policy=POLICY)

    assert advisor.advise(advisor.HostFacts(host=HOST, waits_s=(90,), roles={Role.API: idle})) == []


def test_patch_is_configuration_when_suggestions_are_merged() -> None:
    found = advise(outage(200, failed=1), throttled=5, requests=100, rates={None: "10/s"})

    assert advisor.patch(found.values()) == {
        "pacing": {"hosts": {HOST: {"rate": "8/s"}}},
        "breaker": {"hosts": {HOST: {"roles": {"api": {"open_duration_s": 200}}}}},
    }
    assert advisor.patch([]) == {}
