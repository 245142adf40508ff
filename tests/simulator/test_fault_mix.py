"""Mixes, modes and options as text: what is understood, and what is said when it is not."""

import random

import pytest

from noggin_mp.domain import errors
from noggin_mp.simulator import behaviour, faults, options


def test_mix_reads_percentages_fractions_and_roles() -> None:
    mix = faults.parse("429=5%, 500=0.03 ,api.503=1%,media.truncate=10%")
    assert [name for _, name in mix.api] == ["429", "500", "503"]
    assert [name for _, name in mix.media] == ["429", "500", "truncate"]
    assert [limit for limit, _ in mix.api] == pytest.approx([0.05, 0.08, 0.09])


def test_mix_draws_each_fault_in_its_share() -> None:
    mix, rng = faults.parse("stall=10%,html=30%,nul=20%"), random.Random(1)
    drawn = [mix.draw(faults.API, rng.random()) for _ in range(20_000)]
    for name, share in (("stall", 0.1), ("html", 0.3), ("nul", 0.2), ("", 0.4)):
        assert drawn.count(name) / len(drawn) == pytest.approx(share, abs=0.02)
    assert mix.draw(faults.MEDIA, 0.5) == ""


def test_mix_knows_aliases() -> None:
    mix = faults.parse("hang=1%,slow=1%,foreign_url=1%,duplicate-urls=1%")
    assert [name for _, name in mix.api] == ["stall", "drip", "foreign", "duplicate"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stal=1%", "did you mean 'stall'"),
        ("399=1%", "unknown fault '399'"),
        ("600=1%", "unknown fault '600'"),
        ("500", "write 500=1%"),
        ("500=", "is not a share"),
        ("500=101%", "is not a share"),
        ("500=5", "is not a share"),
        ("500=-1%", "is not a share"),
        ("500=60%,html=50%", "add up to 110%"),
        ("disk.500=1%", "unknown role 'disk'"),
        ("media.nul=1%", "use api.nul"),
    ],
)
def test_mix_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(errors.UsageError, match="--faults: ") as raised:
        faults.parse(text)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"latency_ms": "fast"}, "20 or 20-80"),
        ({"latency_ms": "80-20"}, "20 or 20-80"),
        ({"tips": -1}, "--tips"),
        ({"types": "LCD,XYZ"}, "unknown type 'XYZ'"),
        ({"media_bytes": "10"}, "--media-bytes"),
        ({"media_bytes": "9000-5000"}, "--media-bytes"),
        ({"missing": "half"}, "--missing"),
        ({"processes": 0}, "--processes"),
        ({"retry_after": "soon"}, "choose from seconds"),
        ({"faults": "5oo=1%"}, "unknown fault '5oo'"),
    ],
)
def test_options_say_what_is_wrong(wanted: dict[str, object], said: str) -> None:
    asked = options.Options(**wanted)  # type: ignore[arg-type]
    with pytest.raises(errors.UsageError) as raised:
        asked.conduct(asked.world())
    assert said in str(raised.value)


def test_options_make_a_world_and_a_behaviour() -> None:
    asked = options.Options(types="so,ta", tips=10, latency_ms="20-80", faults="500=3%", token="t")
    world = asked.world()
    conduct = asked.conduct(world)
    assert [shape.code for shape in world.types] == ["SO", "TA"]
    assert conduct.latency_ms == (20.0, 80.0)
    assert conduct.mix.api == ((0.03, "500"),)
    assert (conduct.token, conduct.namespace) == ("t", world.namespace)


def test_behaviour_survives_json() -> None:
    start = behaviour.Behaviour(token="t", namespace="n")
    patch = {
        "latency_ms": "1.5-3",
        "faults": "429=5%,media.truncate=1%",
        "rules": [
            {"mode": "503", "retry_after": 5, "match": {"user_agent": "x", "role": "media"}},
            {"mode": "hang", "fraction": 0.25, "match": {"path": "/rest", "tip": "abc"}},
        ],
        "retry_after_styles": ["date", "none"],
        "stall_s": 7.5,
    }
    changed = start.changed(patch)
    assert behaviour.restored(changed.as_json()) == changed
    assert changed.rules[1].mode == "stall"
    assert changed.changed({"mode": "ok"}).rules == ()


@pytest.mark.parametrize(
    "patch",
    [
        {"mode": "sulk"},
        {"mode": "503", "match": {"colour": "red"}},
        {"mode": "503", "match": {"role": "disk"}},
        {"mode": "503", "fraction": 2},
        {"mode": "429", "retry_after": "5\r\nX: y"},
        {"rules": "503"},
        {"nosuch": 1},
        {"token": "a\nb"},
        {"token": None},
        {"stall_s": "long"},
        {"retry_after_max_s": -1},
    ],
)
def test_behaviour_refuses_what_cannot_be(patch: dict[str, object]) -> None:
    with pytest.raises(errors.UsageError):
        behaviour.Behaviour(token="t", namespace="n").changed(patch)
