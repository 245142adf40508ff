"""The operators' forms of breaker policy: what they mean, and how each mistake is told."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from noggin_mp.settings import breaker_forms

HOSTS = ("api.example.com", "media-cdn.example.com", "2001:db8::1", "xn--bcher-kva.example")
D, H, R = "--breaker-defaults", "--breaker", "--breaker-role"


def parse(
    *options: tuple[str, str], env: Mapping[str, str] | None = None, hosts: tuple[str, ...] = HOSTS
) -> breaker_forms.Parsed:
    """What these options and variables come to."""

    def given(name: str) -> tuple[str, ...]:
        return tuple(text for option, text in options if option == name)

    typed = breaker_forms.Options(defaults=given(D), hosts=given(H), roles=given(R))
    return breaker_forms.parse(env=env or {}, options=typed, hosts=hosts)


def told(parsed: breaker_forms.Parsed) -> list[tuple[str | None, str | None, str, object]]:
    """The settings without their origins."""
    assert parsed.problems == ()
    return [(one.host, one.role, one.key, one.value) for one in parsed.settings]


class Good(NamedTuple):
    """One form and the settings it makes: host, role, key, value."""

    name: str
    option: str
    text: str
    expected: list[tuple[str | None, str | None, str, object]]


API, V6 = "api.example.com", "2001:db8::1"
GOOD = [
    Good("one_key", D, "fail_max:5", [(None, None, "fail_max", 5)]),
    Good("alias_reset", D, "reset:60", [(None, None, "open_duration_s", 60.0)]),
    Good("alias_cap", D, "retry_after_cap:900", [(None, None, "retry_after_cap_s", 900.0)]),
    Good("fraction", D, "open_jitter:0.25", [(None, None, "open_jitter", 0.25)]),
    Good("leading_dot", D, "open_jitter:.5", [(None, None, "open_jitter", 0.5)]),
    Good("off", D, "slow_call_s:off", [(None, None, "slow_call_s", None)]),
    Good("mode", D, "mode:Observe", [(None, None, "mode", "observe")]),
    Good("spaces", D, " fail_max : 5 , window_s : 30 ",
         [(None, None, "fail_max", 5), (None, None, "window_s", 30.0)]),
    Good("capitals_and_dashes", D, "Fail-Max:5", [(None, None, "fail_max", 5)]),
    Good("host", H, "api.example.com=fail_max:5,reset:60,retry_after_cap:900",
         [(API, None, "fail_max", 5), (API, None, "open_duration_s", 60.0),
          (API, None, "retry_after_cap_s", 900.0)]),
    Good("host_in_capitals", H, "API.Example.COM.=fail_max:5", [(API, None, "fail_max", 5)]),
    Good("host_unknown", H, "other.example=fail_max:5", [("other.example", None, "fail_max", 5)]),
    Good("host_idna", H, "bücher.example=fail_max:5",
         [("xn--bcher-kva.example", None, "fail_max", 5)]),
    Good("host_v4", H, "127.0.0.1=fail_max:5", [("127.0.0.1", None, "fail_max", 5)]),
    Good("host_v6", H, "[2001:DB8:0::1]=fail_max:5", [(V6, None, "fail_max", 5)]),
    Good("role", R, "api.example.com:media=fail_max:20", [(API, "media", "fail_max", 20)]),
    Good("role_in_capitals", R, "api.example.com:API=fail_max:20", [(API, "api", "fail_max", 20)]),
    Good("role_v6", R, "[2001:db8::1]:api=reset:9", [(V6, "api", "open_duration_s", 9.0)]),
]  # fmt: skip


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_option_makes_settings_when_it_is_well_formed(case: Good) -> None:
    assert told(parse((case.option, case.text))) == case.expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NOGGIN_BREAKER_DEFAULTS", (None, None)),
        ("NOGGIN_BREAKER__API_EXAMPLE_COM", (API, None)),
        ("NOGGIN_BREAKER__api_example_com", (API, None)),
        ("NOGGIN_BREAKER__MEDIA_CDN_EXAMPLE_COM", ("media-cdn.example.com", None)),
        ("NOGGIN_BREAKER__XN__BCHER_KVA_EXAMPLE", ("xn--bcher-kva.example", None)),
        ("NOGGIN_BREAKER__2001_DB8__1", (V6, None)),
        ("NOGGIN_BREAKER__api.example.com", (API, None)),
        ("NOGGIN_BREAKER__[2001:db8::1]", (V6, None)),
        ("NOGGIN_BREAKER__UNHEARD_OF_EXAMPLE", ("unheard.of.example", None)),
        ("NOGGIN_BREAKER_ROLE__API_EXAMPLE_COM__MEDIA", (API, "media")),
        ("NOGGIN_BREAKER_ROLE__XN__BCHER_KVA_EXAMPLE__api", ("xn--bcher-kva.example", "api")),
        ("NOGGIN_BREAKER_ROLE__2001_DB8__1__API", (V6, "api")),
    ],
)
def test_variable_names_its_layer_when_its_name_fits(
    name: str, expected: tuple[str | None, str | None]
) -> None:
    host, role = expected
    parsed = parse(env={name: "fail_max:4"})
    assert told(parsed) == [(host, role, "fail_max", 4)]
    assert parsed.settings[0].origin == name


@pytest.mark.parametrize(
    ("text", "expected"), [("1", True), ("true", True), (" TRUE ", True), ("0", False)]
)
def test_disabled_variable_is_a_switch_when_it_is_one_or_zero(text: str, expected: bool) -> None:
    parsed = parse(env={"NOGGIN_BREAKER_DISABLED": text})
    assert told(parsed) == [(None, None, "disabled", expected)]
    assert parsed.settings[0].path == ("breaker", "disabled")


@pytest.mark.parametrize("name", ["NOGGIN_BREAKER_DEFAULTS", "NOGGIN_BREAKER__X", "PATH", "noggin"])
def test_variable_says_nothing_when_it_is_empty_or_not_ours(name: str) -> None:
    assert told(parse(env={name: "" if name.startswith("NOGGIN") else "fail_max:5"})) == []


class Bad(NamedTuple):
    """One form, who is told to be at fault, and parts of message and remedy."""

    name: str
    form: tuple[str, str]
    origin: str
    message: str
    remedy: str


WHERE = f"{H} api.example.com"
BAD = [
    Bad("unknown_key", (H, "api.example.com=fail_mx:5"), WHERE, '"fail_mx:5": unknown key',
        'did you mean "fail_max"?'),
    Bad("unknown_alias", (D, "rset:5"), D, '"rset:5": unknown key "rset"', '"reset"'),
    Bad("nothing_like_it", (D, "zzz:5"), D, 'unknown key "zzz"', "known: fail_max"),
    Bad("no_colon", (D, "fail_max"), D, '"fail_max" is no key:value', "write fail_max:VALUE"),
    Bad("equals", (D, "fail_max=5"), D, '"fail_max=5" is no key:value', "write fail_max:5"),
    Bad("empty", (D, ""), D, "holds an empty piece", "key:value"),
    Bad("empty_piece", (D, "fail_max:5,,reset:1"), D, "holds an empty piece", "reset:60"),
    Bad("trailing_comma", (D, "fail_max:5,"), D, "holds an empty piece", "key:value"),
    Bad("empty_value", (D, "fail_max:"), D, '"fail_max:": fail_max has no value', "fail_max:VALUE"),
    Bad("empty_key", (D, ":5"), D, '":5": unknown key ""', "known:"),
    Bad("twice", (D, "fail_max:5,fail_max:6"), D, '"fail_max:6": fail_max is given twice',
        "keep one"),
    Bad("twice_by_alias", (D, "reset:5,open_duration_s:6"), D, '"reset:5" has it already',
        "keep one"),
    Bad("below", (D, "fail_max:0"), D, '"fail_max:0": fail_max must be at least 1 (0)', ""),
    Bad("above", (D, "open_jitter:1"), D, "open_jitter must be below 1 (1", ""),
    Bad("negative", (D, "reset:-5"), D, "open_duration_s must be above 0 (-5", ""),
    Bad("fraction", (D, "fail_max:5.0"), D, "must be a whole number (5.0)", "write 5"),
    Bad("word", (D, "fail_max:many"), D, 'must be a whole number ("many")', ""),
    Bad("unit", (D, "reset:2m"), D, '"reset:2m": open_duration_s must be a plain number of seconds',
        "write 120"),
    Bad("colons", (D, "reset:1:30"), D, '"reset:1:30": open_duration_s must be a number', ""),
    Bad("huge", (D, "fail_max:" + "9" * 5000), D, "must be a whole number", ""),
    Bad("nan", (D, "reset:nan"), D, "open_duration_s must be a number", ""),
    Bad("digits_of_another_script", (D, "fail_max:\u0665"), D, "must be a whole number", ""),
    Bad("mode", (D, "mode:enforced"), D, "must be one of enforce, observe, disabled", '"enforce"'),
    Bad("roles_are_no_key", (D, "roles:api"), D, 'unknown key "roles"', ""),
    Bad("host_in_defaults", (D, "api.example.com=fail_max:5"), D, "names a scope", "--breaker"),
    Bad("no_host", (H, "fail_max:5"), H, '"fail_max:5" has no = between HOST', "HOST=fail_max:5"),
    Bad("empty_host", (H, "=fail_max:5"), H, '"" is no host name', "api.example.com"),
    Bad("no_keys", (H, "api.example.com="), WHERE, "holds an empty piece", "key:value"),
    Bad("bad_host", (H, "a b=fail_max:5"), H, '"a b" is no host name', "bare name"),
    Bad("url", (H, "https://api.example.com=fail_max:5"), H, "is no host name", "without a URL"),
    Bad("port", (H, "api.example.com:8443=fail_max:5"), H, "has a port", "write api.example.com:"),
    Bad("bare_v6", (H, "2001:db8::1=fail_max:5"), H, '"2001:db8::1" is no host name', "brackets"),
    Bad("bad_v6", (H, "[2001:db8::zz]=fail_max:5"), H, "is no host name", "bare name"),
    Bad("role_in_host", (H, "api.example.com:media=fail_max:5"), H, "names a role",
        "--breaker-role"),
    Bad("no_role", (R, "api.example.com=fail_max:5"), R, "names no role", ":api or :media"),
    Bad("no_role_v6", (R, "[2001:db8::1]=fail_max:5"), R, "names no role", ":api or :media"),
    Bad("bad_role", (R, "api.example.com:meida=fail_max:5"), R, '"meida" is no role', '"media"'),
    Bad("variable_key", ("NOGGIN_BREAKER__API_EXAMPLE_COM", "fail:1"),
        "NOGGIN_BREAKER__API_EXAMPLE_COM", '"fail:1": unknown key "fail"', '"fail_max"'),
    Bad("variable_typo", ("NOGGIN_BREAKER_DEFAULT", "fail_max:1"), "NOGGIN_BREAKER_DEFAULT",
        "is no variable of noggin-mp", '"NOGGIN_BREAKER_DEFAULTS"'),
    Bad("one_underscore", ("NOGGIN_BREAKER_API_EXAMPLE_COM", "fail_max:1"),
        "NOGGIN_BREAKER_API_EXAMPLE_COM", "is no variable", "NOGGIN_BREAKER__API_EXAMPLE_COM"),
    Bad("bare_variable", ("NOGGIN_BREAKER", "fail_max:1"), "NOGGIN_BREAKER", "is no variable",
        "NOGGIN_BREAKER"),
    Bad("role_variable", ("NOGGIN_BREAKER_ROLE_X_API", "fail_max:1"), "NOGGIN_BREAKER_ROLE_X_API",
        "is no variable", "NOGGIN_BREAKER_ROLE__<HOST>__<ROLE>"),
    Bad("role_variable_without_role", ("NOGGIN_BREAKER_ROLE__API_EXAMPLE_COM", "fail_max:1"),
        "NOGGIN_BREAKER_ROLE__API_EXAMPLE_COM", "names no role", "<HOST>__MEDIA"),
    Bad("role_variable_bad_role", ("NOGGIN_BREAKER_ROLE__API_EXAMPLE_COM__APY", "fail_max:1"),
        "NOGGIN_BREAKER_ROLE__API_EXAMPLE_COM__APY", '"APY" is no role', '"api"'),
    Bad("variable_no_host", ("NOGGIN_BREAKER__A__B", "fail_max:1"), "NOGGIN_BREAKER__A__B",
        '"A__B" fits no host', "_ for each dot and dash"),
    Bad("disabled", ("NOGGIN_BREAKER_DISABLED", "yes"), "NOGGIN_BREAKER_DISABLED",
        'must be 1 or 0 ("yes")', "write 1"),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_form_is_refused_with_its_piece_and_remedy_when_it_is_malformed(case: Bad) -> None:
    name, text = case.form
    parsed = parse(case.form) if name.startswith("--") else parse(env={name: text})

    [problem] = parsed.problems
    assert problem.file == case.origin
    assert case.message in problem.message
    assert case.remedy in problem.remedy
    assert len(str(problem)) < 400


def test_parse_tells_every_fault_when_many_forms_are_malformed() -> None:
    parsed = parse(
        (D, "fail_mx:1,window_s:5,reset:x"),
        (H, "nohost"),
        env={"NOGGIN_BREAKER_DISABLED": "2", "NOGGIN_BREAKER_DEFAULTS": "a:1,b:2"},
    )

    assert [problem.file for problem in parsed.problems] == [
        "NOGGIN_BREAKER_DEFAULTS", "NOGGIN_BREAKER_DEFAULTS", "NOGGIN_BREAKER_DISABLED", D, D, H,
    ]  # fmt: skip
    assert [(one.key, one.value) for one in parsed.settings] == [("window_s", 5.0)]


def test_variable_is_refused_when_its_name_fits_two_hosts() -> None:
    [problem] = parse(
        env={"NOGGIN_BREAKER__A_B_EXAMPLE": "fail_max:1"}, hosts=("a-b.example", "a.b.example")
    ).problems

    assert "fits more than one host: a-b.example, a.b.example" in problem.message
    assert "--breaker HOST" in problem.remedy


def test_variable_takes_a_host_of_the_options_when_the_file_knows_none() -> None:
    parsed = parse(
        (H, "a-b.example=fail_max:1"), env={"NOGGIN_BREAKER__A_B_EXAMPLE": "window_s:9"}, hosts=()
    )

    assert {one.host for one in parsed.settings} == {"a-b.example"}


def test_two_variables_are_refused_when_they_set_one_key_of_one_host() -> None:
    parsed = parse(
        env={
            "NOGGIN_BREAKER__API_EXAMPLE_COM": "fail_max:1",
            "NOGGIN_BREAKER__api_example_com": "fail_max:2",
        }
    )

    [problem] = parsed.problems
    assert problem.file == "NOGGIN_BREAKER__api_example_com"
    assert "NOGGIN_BREAKER__API_EXAMPLE_COM sets it too" in problem.message


def test_the_last_option_wins_when_a_key_is_given_again() -> None:
    parsed = parse((H, f"{API}=fail_max:1,window_s:9"), (H, f"{API}=fail_max:2"))

    assert sorted(told(parsed)) == [(API, None, "fail_max", 2), (API, None, "window_s", 9.0)]


def test_order_is_environment_then_line_and_in_each_the_widest_first() -> None:
    parsed = parse(
        (R, f"{API}:api=fail_max:6"),
        (H, f"{API}=fail_max:5"),
        (D, "fail_max:4"),
        env={
            "NOGGIN_BREAKER_ROLE__API_EXAMPLE_COM__API": "fail_max:3",
            "NOGGIN_BREAKER__API_EXAMPLE_COM": "fail_max:2",
            "NOGGIN_BREAKER_DEFAULTS": "fail_max:1",
        },
    )

    assert [one.value for one in parsed.settings] == [1, 2, 3, 4, 5, 6]
