"""Layers of breaker and pacing: what a layer does not name it inherits."""

import dataclasses

import pytest

from noggin_mp.domain import breaker, paths
from noggin_mp.settings import schema, texts

SETTINGS = schema.Settings.model_validate(
    {
        "breaker": {
            "defaults": {"fail_max": 7, "reset": 30},
            "hosts": {
                "API.Example.com": {
                    "window_s": 5,
                    "roles": {"media": {"fail_max": 20, "mode": "observe"}},
                },
                "bücher.example": {"retry_after_cap": 100},
            },
        },
        "pacing": {
            "defaults": {"rate": "10/s", "max_concurrent": 5},
            "hosts": {"h.x": {"rate": "off", "roles": {"api": {"adaptive": True}}}},
        },
    }
)


def test_breaker_policy_is_that_of_the_domain_when_nothing_is_given() -> None:
    policy = schema.Settings().breaker_policy("any.host", "api")

    assert policy == dataclasses.asdict(breaker.Policy())


@pytest.mark.parametrize(
    ("host", "role", "expected"),
    [
        ("other.host", "api", {"fail_max": 7, "open_duration_s": 30, "window_s": 60}),
        ("api.example.com", "api", {"fail_max": 7, "window_s": 5, "mode": "enforce"}),
        ("api.example.com", "media", {"fail_max": 20, "window_s": 5, "mode": "observe"}),
        ("xn--bcher-kva.example", "api", {"retry_after_cap_s": 100, "open_duration_s": 30}),
    ],
)
def test_breaker_policy_merges_layers_when_asked_for_a_role(
    host: str, role: str, expected: dict[str, object]
) -> None:
    policy = SETTINGS.breaker_policy(host, role)

    assert {name: policy[name] for name in expected} == expected
    assert set(policy) == {field.name for field in dataclasses.fields(breaker.Policy)}


def test_breaker_policy_is_disabled_when_the_switch_is_on() -> None:
    settings = schema.Settings.model_validate({"breaker": {"disabled": True}})

    assert settings.breaker_policy("h", "media")["mode"] == "disabled"


@pytest.mark.parametrize(
    ("host", "role", "expected"),
    [
        ("any", "api", {"rate": "10/s", "max_concurrent": 5, "adaptive": False}),
        ("h.x", "media", {"rate": None, "max_concurrent": 5, "adaptive": False}),
        ("h.x", "api", {"rate": None, "max_concurrent": 5, "adaptive": True}),
    ],
)
def test_pacing_policy_merges_layers_when_asked_for_a_role(
    host: str, role: str, expected: dict[str, object]
) -> None:
    assert SETTINGS.pacing_policy(host, role) == expected


def test_breaker_policy_refuses_when_the_role_is_unknown() -> None:
    with pytest.raises(ValueError, match="no role"):
        SETTINGS.breaker_policy("h", "meida")


def test_named_layouts_are_those_of_the_domain() -> None:
    assert set(texts.LAYOUTS) == set(paths.LAYOUTS)


@pytest.mark.parametrize(
    ("role", "key", "expected"),
    [
        ("api", "rate", "h.x"),
        ("media", "rate", "h.x:media"),
        ("media", "max_concurrent", "h.x"),
    ],
)
def test_pacing_scope_is_the_host_unless_the_role_names_the_key(
    role: str, key: str, expected: str
) -> None:
    settings = schema.Settings.model_validate(
        {"pacing": {"hosts": {"h.x": {"rate": "9/s", "roles": {"media": {"rate": "2/s"}}}}}}
    )

    assert settings.pacing_scope("h.x", role, key) == expected
    assert settings.pacing_scope("other.host", role, key) == "other.host"
