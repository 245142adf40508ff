"""The breaker's reference names every key with its default, every form and every verb."""

import re

import pytest

from noggin_mp.cli import breaker_options
from noggin_mp.domain import breaker
from noggin_mp.settings import breaker_forms, policies
from tests.support import cli_reference, markdown

PAGE = markdown.DOCS / "reference" / "breaker.md"
TEXT = PAGE.read_text(encoding="utf-8")
POLICY = breaker.Policy().as_dict()


@pytest.mark.parametrize("key", POLICY)
def test_key_has_its_row_with_alias_and_default(key: str) -> None:
    alias = next((f"`{one}`" for one, name in policies.ALIASES.items() if name == key), "")
    default = "off" if POLICY[key] is None else POLICY[key]
    shown = f"{default:g}" if isinstance(default, float) else default
    assert re.search(rf"^\| `{key}` \| {alias} ?\| {shown} \| .+ \| .+ \|$", TEXT, re.MULTILINE)


def test_every_option_and_variable_is_named() -> None:
    options = {option for option, *_ in breaker_options.OPTIONS}
    assert [one for one in options if f"`{one} " not in TEXT] == []
    assert [one for one in breaker_forms.VARIABLES if f"`{one}`" not in TEXT] == []


def test_every_verb_of_the_breaker_is_named() -> None:
    verbs = [words for words, _ in cli_reference.verbs() if words.startswith("noggin-mp breaker ")]
    assert [one for one in verbs if f"| `{one}" not in TEXT] == []


def test_the_verbs_that_take_the_options_are_those_named() -> None:
    takers = {
        words.removeprefix("noggin-mp ")
        for words, command in cli_reference.verbs()
        if any("--breaker" in one.opts for one in cli_reference.options(command))
    }
    [line] = re.findall(r"^On (.*); each may be repeated", TEXT, re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", line)) == takers
