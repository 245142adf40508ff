"""Expansion of ${...}: environment, other keys, defaults, nesting, literals."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noggin_mp.domain import errors
from noggin_mp.settings import document, expand, loader, schema

ENV = {"HOST": "db.x", "PORT": "5433", "EMPTY": "", "ODD": "${api.namespace} $${x}", "FLAG": "true"}
DEFAULTS = schema.Settings().model_dump(by_alias=True)


def expanded(template: str) -> object:
    made = document.Document(data={"api": {"namespace": template, "other": "o"}, "n": 5, "f": True})
    result = expand.expand(made, env=ENV, defaults=DEFAULTS)
    assert not result.problems
    return result.data["api"]["namespace"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("${HOST}", "db.x"),
        ("a${HOST}b${PORT}c", "adb.xb5433c"),
        ("${UNSET:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${UNSET:-}", ""),
        ("${UNSET:-${EMPTY:-${HOST}}}", "db.x"),
        ("${UNSET:-a${HOST}b}", "adb.xb"),
        ("${HOST:-${UNSET}}", "db.x"),
        ("${api.other}", "o"),
        ("<${api.other}>", "<o>"),
        ("${n}", 5),
        ("n=${n}", "n=5"),
        ("f=${f}", "f=true"),
        ("${queue.batch}", 64),
        ("${retry.max_s}", 3600),
        ("${api.absent:-z}", "z"),
        ("${api.token:-none}", "none"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$${HOST}"),
        ("$HOST $ {HOST} $5", "$HOST $ {HOST} $5"),
        ("${ODD}", "${api.namespace} $${x}"),
        ("{base_url}/${HOST}?t={tip}", "{base_url}/db.x?t={tip}"),
    ],
)
def test_expand_gives_the_value_when_the_reference_is_right(
    template: str, expected: object
) -> None:
    assert expanded(template) == expected


@given(st.text().filter(lambda text: "${" not in text))
def test_expand_leaves_text_alone_when_nothing_is_referred_to(text: str) -> None:
    assert expanded(text) == text


@given(st.text())
def test_expand_gives_back_any_text_when_it_is_escaped(text: str) -> None:
    escaped = text.replace("${", "$${")
    if "$$${" not in escaped:  # a $ before an escape belongs to the escape
        assert expanded(escaped) == text


def test_load_takes_numbers_and_switches_from_the_environment_when_referred_to(
    tmp_path: Path,
) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(
        "fleet: {workers: '${WORKERS:-3}'}\n"
        "queue: {poll_s: '${POLL}', batch: '${fleet.workers}'}\n"
        "breaker: {disabled: '${NOGGIN_BREAKER_DISABLED:-0}'}\n"
        "attachments: {max_bytes: '${CAP}'}\n"
        "paths: {output: '${paths.state}/out'}\n",
        encoding="utf-8",
    )

    settings = loader.load(
        file, env={"POLL": "0.5", "CAP": "10 MB", "NOGGIN_BREAKER_DISABLED": "1"}
    )

    assert (settings.fleet.workers, settings.queue.batch) == (3, 3)
    assert settings.queue.poll_s == 0.5
    assert settings.breaker.disabled is True
    assert settings.attachments.max_bytes == 10_000_000
    assert settings.paths.output == settings.paths.state / "out"


def test_expand_reports_a_fault_once_when_others_refer_to_it() -> None:
    places = {("a", key): document.Place(file="f", line=at) for at, key in enumerate("xyz", 1)}
    made = document.Document(
        data={"a": {"x": "${UNSET}", "y": "${a.x}", "z": "${a.y}!"}}, places=dict(places)
    )

    result = expand.expand(made, env={}, defaults={})

    assert [problem.line for problem in result.problems] == [1]
    assert result.data == {"a": {}}
    assert result.dropped == {("a", "x"), ("a", "y"), ("a", "z")}


def _chain(length: int, link: str) -> str:
    """Keys that refer to one another; `link` says how, with {} for the next one."""
    keys = [f"  k{n}: '{link.format(n + 1)}'" for n in range(length)]
    return "\n".join(["log:", *keys, f"  k{length}: x", ""])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_chain(300, "<${{log.k{}}}"), "more than 32 values"),
        (_chain(300, "${{log.k{}}}"), "more than 32 values"),
        (_chain(30, "${{log.k{0}}}${{log.k{0}}}"), "grow too large"),
        (f"timezone: '{'${A:-' * 500}x{'}' * 500}'\n", "more than 32 values"),
        (f"timezone: '{'${LONG}' * 300}'\n", "grow too large"),
    ],
)
def test_load_refuses_references_without_measure_at_the_place_of_the_first(
    text: str, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(text)

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={"LONG": "y" * 10_000})

    first = caught.value.problems[0]
    assert (first.line, told in first.message) == (text.count("\n", 0, text.index("${")) + 1, True)


def test_load_shortens_a_reference_that_nobody_would_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "n.yaml"
    file.write_text(f"timezone: '${{{'x' * 5000}}}'\n")

    with pytest.raises(errors.ConfigError) as caught:
        loader.load(file, env={})

    assert len(str(caught.value.problems[0])) < 400
