"""File, environment and command line, laid over one another."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import breaker_forms, effective, loader

API = "api.example-x.com"
YAML = f"""\
api: {{base_url: "https://{API}", namespace: n}}
breaker:
  defaults: {{fail_max: 7, reset: 30}}
  hosts:
    API.Example-X.com:
      fail_max: 9
      reset: 11
      roles:
        media: {{fail_max: 20, mode: observe}}
"""
HOST, ROLE = "NOGGIN_BREAKER__API_EXAMPLE_X_COM", "NOGGIN_BREAKER_ROLE__API_EXAMPLE_X_COM__MEDIA"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "n.yaml"
    path.write_text(YAML)
    return path


def options(**given: str) -> breaker_forms.Options:
    return breaker_forms.Options(**{name: (text,) for name, text in given.items()})


@pytest.mark.parametrize(
    ("env", "typed", "expected"),
    [  # fail_max of: any other host, this host's api, its media
        ({}, {}, (7, 9, 20)),
        ({"NOGGIN_BREAKER_DEFAULTS": "fail_max:3"}, {}, (3, 3, 3)),
        ({HOST: "fail_max:3"}, {}, (7, 3, 3)),
        ({ROLE: "fail_max:3"}, {}, (7, 9, 3)),
        ({}, {"defaults": "fail_max:3"}, (3, 3, 3)),
        ({}, {"hosts": f"{API}=fail_max:3"}, (7, 3, 3)),
        ({}, {"roles": f"{API}:media=fail_max:3"}, (7, 9, 3)),
        ({"NOGGIN_BREAKER_DEFAULTS": "fail_max:3", HOST: "fail_max:4"}, {}, (3, 4, 4)),
        ({ROLE: "fail_max:3"}, {"hosts": f"{API}=fail_max:4"}, (7, 4, 4)),
        ({ROLE: "fail_max:3", HOST: "fail_max:2"}, {"defaults": "fail_max:4"}, (4, 4, 4)),
        (
            {"NOGGIN_BREAKER_DEFAULTS": "fail_max:3"},
            {"roles": f"{API}:media=fail_max:4"},
            (3, 3, 4),
        ),
        ({}, {"defaults": "fail_max:1", "hosts": f"{API}=fail_max:2"}, (1, 2, 2)),
        ({}, {"hosts": "other.example=fail_max:2"}, (2, 9, 20)),
        ({}, {"defaults": "window_s:5"}, (7, 9, 20)),
    ],
)
def test_load_lays_forms_over_the_file_when_they_are_given(
    file: Path, env: Mapping[str, str], typed: dict[str, str], expected: tuple[int, int, int]
) -> None:
    settings = loader.load(file, env=env, options=options(**typed))

    found = tuple(
        settings.breaker_policy(host, role)["fail_max"]
        for host, role in (("other.example", "api"), (API, "api"), (API, "media"))
    )
    assert found == expected


def test_load_replaces_an_alias_of_the_file_when_a_form_sets_its_key(file: Path) -> None:
    settings = loader.load(file, env={"NOGGIN_BREAKER_DEFAULTS": "open_duration_s:44"})

    assert settings.breaker_policy(API, "api")["open_duration_s"] == 44
    assert settings.breaker_policy(API, "media")["mode"] == "observe"


@pytest.mark.parametrize(
    ("switch", "mode"), [("1", "disabled"), ("0", "enforce"), ("", "disabled")]
)
def test_load_obeys_the_switch_when_the_environment_has_it(
    tmp_path: Path, switch: str, mode: str
) -> None:
    path = tmp_path / "n.yaml"
    path.write_text("breaker: {disabled: true}")

    settings = loader.load(path, env={"NOGGIN_BREAKER_DISABLED": switch})

    assert settings.breaker_policy("h", "api")["mode"] == mode


def test_load_takes_forms_when_there_is_no_file_and_no_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = loader.load(
        None, env={}, options=options(defaults="fail_max:3", roles="[::1]:api=mode:observe")
    )

    assert settings.breaker_policy("h", "api")["fail_max"] == 3
    assert settings.breaker_policy("::1", "api")["mode"] == "observe"


def test_origins_name_the_form_when_it_wins(file: Path) -> None:
    loaded = loader.read(
        file,
        env={"NOGGIN_BREAKER_DEFAULTS": "reset:44", HOST: "window_s:7"},
        options=options(hosts=f"{API}=fail_max:3"),
    )

    shown = {one.name: (one.value, one.origin) for one in effective.values(loaded)}
    assert shown["breaker.defaults.open_duration_s"] == (44, "NOGGIN_BREAKER_DEFAULTS")
    assert shown[f"breaker.hosts.{API}.window_s"] == (7, HOST)
    assert shown[f"breaker.hosts.{API}.fail_max"] == (3, f"--breaker {API}")
    assert shown[f"breaker.hosts.{API}.roles.media.mode"][1] == f"{file}:9:37"
    assert f"breaker.hosts.{API}.open_duration_s" not in shown
    assert f"breaker.hosts.{API}.roles.media.fail_max" not in shown


def test_read_tells_all_faults_at_once_when_file_environment_and_line_have_some(
    file: Path,
) -> None:
    file.write_text(YAML + "log: {level: loud}\n")

    with pytest.raises(errors.ConfigError) as caught:
        loader.read(file, env={HOST: "x:1"}, options=options(defaults="y:1"))

    assert caught.value.exit_code == 3
    assert [problem.file for problem in caught.value.problems] == [
        HOST, "--breaker-defaults", str(file),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["y:1", "y:1,z:2", "open_max_s:5"])
def test_read_blames_the_usage_when_only_options_are_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "n.yaml"
    path.write_text("log: {}")

    with pytest.raises(errors.OptionsError) as caught:
        loader.read(path, env={}, options=options(defaults=text))

    assert (caught.value.exit_code, caught.value.code) == (2, "usage")
    assert len(caught.value.problems) == text.count(":")


def test_read_keeps_a_fault_of_the_file_when_its_section_is_none(tmp_path: Path) -> None:
    for text in ("breaker: 5", "breaker: {hosts: x}", f"breaker: {{hosts: {{{API}: 3}}}}"):
        path = tmp_path / "n.yaml"
        path.write_text(text)
        with pytest.raises(errors.ConfigError, match="must be a section"):
            loader.read(path, env={}, options=options(hosts=f"{API}=fail_max:3"))


def test_read_notes_a_form_when_it_is_about_a_host_nothing_is_asked_of(file: Path) -> None:
    loaded = loader.read(file, env={}, options=options(hosts="typo.example=fail_max:3,reset:4"))

    notes = [str(note) for note in loaded.notes if breaker_forms.from_forms(note.file)]
    assert notes == [
        f"--breaker typo.example: no request goes to typo.example; the API's host is {API}"
    ]
