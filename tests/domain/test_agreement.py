"""What hosts tell of their policies, compared: what differs, and how people are told."""

from typing import Any

import pytest

from noggin_mp.domain import agreement

API = {"breaker.fail_max": 5, "breaker.mode": "enforce", "pacing.rate": None}


def told(host: str = "h", media: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    api = API | {f"breaker.{key}": value for key, value in changed.items()}
    return agreement.told(host, api=api, media=api | (media or {}))


def found(**policies: object) -> list[tuple[str, str, dict[str, Any]]]:
    return [(one.scope, one.key, dict(one.values)) for one in agreement.differences(dict(policies))]


def test_told_names_for_media_only_what_it_has_otherwise() -> None:
    assert told(media={"pacing.rate": "5/s"}) == {
        "of": "h", "api": API, "media": {"pacing.rate": "5/s"},
    }  # fmt: skip
    assert told()["media"] == {}


@pytest.mark.parametrize(
    "policies",
    [
        {},
        {"ann": told(fail_max=1)},
        {"ann": told(), "bob": told()},
        {"ann": told(fail_max=5), "bob": told(fail_max=5.0)},
        {"ann": told("one", fail_max=5), "bob": told("two", fail_max=6)},
        {"ann": told(), "bob": told(later=True)},  # a newer version tells more
        {"ann": told(fail_max=1), "bob": None},
        {"ann": told(fail_max=1), "bob": ["x"], "cy": {"api": 1}, "dan": {"api": API}},
    ],
)
def test_differences_finds_none_when_nothing_shared_differs(policies: dict[str, object]) -> None:
    assert found(**policies) == []


def test_differences_are_told_once_when_both_roles_have_them() -> None:
    policies = {"ann": told(), "bob": told(mode="observe"), "cy": told()}
    assert found(**policies) == [
        ("h", "breaker.mode", {"ann": "enforce", "bob": "observe", "cy": "enforce"})
    ]


def test_differences_name_the_role_when_it_alone_or_each_otherwise_differs() -> None:
    policies = {"ann": told(), "bob": told(media={"pacing.rate": "5/s"})}
    assert found(**policies) == [("h:media", "pacing.rate", {"ann": None, "bob": "5/s"})]

    policies = {"ann": told(), "bob": told(fail_max=6, media={"breaker.fail_max": 7})}
    assert found(**policies) == [
        ("h:api", "breaker.fail_max", {"ann": 5, "bob": 6}),
        ("h:media", "breaker.fail_max", {"ann": 5, "bob": 7}),
    ]


def test_sentence_names_keys_hosts_and_values_the_most_common_first() -> None:
    policies = {
        "ann": told(fail_max=3, media={"pacing.rate": "10/s, 99/h"}),
        "bob": told(),
        "cy": told(),
    }
    assert agreement.sentence(agreement.differences(policies)) == (
        "hosts go by different policies at h: breaker.fail_max (bob, cy: 5; ann: 3);"
        " at h:media: pacing.rate (bob, cy: off; ann: 10/s, 99/h)"
    )


def test_sentence_stays_short_when_much_differs_between_many() -> None:
    hosts: dict[str, object] = {
        f"host-{n:02}": agreement.told("h", api={f"k{k:02}": n % 2 for k in range(30)}, media={})
        for n in range(40)
    }
    said = agreement.sentence(agreement.differences(hosts))

    assert len(said) < 1500
    assert "host-06 and 16 more: 0" in said
    assert said.endswith("; and 22 more, see noggin-mp fleet status --json")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "off"), (True, "true"), (60.0, "60"), (0.25, "0.25"), (10**400, f"1{'0' * 56}..."),
        ("a\x1b[31m\nb", "a [31m b"), ({"x": [1]}, "{'x': [1]}"), (float("inf"), "inf"),
    ],
)  # fmt: skip
def test_text_is_one_short_line_whatever_the_value(value: object, expected: str) -> None:
    assert agreement.text(value) == expected
