"""What a host tells the fleet of its settings: the policies in effect at its API's host."""

import json
from typing import Any

import pytest

from noggin_mp.domain import agreement
from noggin_mp.settings import schema, shared

HOST = "services.apse2.elasticnoggin.com"
HOSTS = {
    HOST: {"window_s": 5, "roles": {"media": {"fail_max": 20}}},
    **{f"host-{n}.example": {"fail_max": n + 1} for n in range(100)},
}


def told(**given: Any) -> dict[str, Any]:
    return shared.told(schema.Settings.model_validate(given))


def different(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, str]]:
    found = agreement.differences({"one": told(**one), "other": told(**other)})
    return [(item.scope, item.key) for item in found]


def test_told_is_every_key_with_its_layers_merged_for_the_host_we_work_with() -> None:
    found = told(breaker={"defaults": {"fail_max": 7}, "hosts": HOSTS})

    assert found["of"] == HOST
    assert (found["api"]["breaker.fail_max"], found["api"]["breaker.window_s"]) == (7, 5)
    assert found["media"] == {"breaker.fail_max": 20}
    keys = {key.partition(".")[2] for key in found["api"] if key.startswith("breaker.")}
    assert keys == set(schema.policies.BreakerLayer.model_fields)


def test_told_is_small_plain_and_without_secrets_whatever_the_file_says() -> None:
    text = json.dumps(told(api={"token": "s3cr3t"}, breaker={"hosts": HOSTS}))

    assert len(text) < 1000  # it is written with each beat
    assert "s3cr3t" not in text


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"breaker": {"disabled": True}}, [(HOST, "breaker.mode")]),
        ({"breaker": {"defaults": {"slow_call_s": 3}}}, [(HOST, "breaker.slow_call_s")]),
        ({"breaker": {"hosts": {HOST: {"fail_max": 3}}}}, [(HOST, "breaker.fail_max")]),
        ({"breaker": {"hosts": {"elsewhere.example": {"fail_max": 3}}}}, []),
        ({"pacing": {"defaults": {"rate": "5/s"}}}, [(HOST, "pacing.rate")]),
        ({"fleet": {"workers": 9}, "api": {"token": "t"}, "retry": {"max_attempts": 9}}, []),
    ],
)
def test_hosts_differ_by_what_the_fleet_shares(
    given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert different({}, given) == expected
    assert different(given, given) == []


@pytest.mark.parametrize("limit", [{"rate": "5/s"}, {"max_concurrent": 4}])
def test_a_limit_counted_by_itself_is_another_one(limit: dict[str, Any]) -> None:
    [key] = limit
    own = {"hosts": {HOST: {"roles": {"media": limit}}}, "defaults": limit}

    assert different({"pacing": {"defaults": limit}}, {"pacing": own}) == [
        (f"{HOST}:media", f"pacing.{key}")
    ]
