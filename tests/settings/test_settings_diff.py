"""What differs between two configurations, and what a reload would do about each key."""

import pickle
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import catalogue, diff, liveness, object_types, schema, tree
from noggin_mp.settings.document import KeyPath
from noggin_mp.settings.liveness import Liveness


def changed(old: dict[str, object], new: dict[str, object]) -> list[diff.Change]:
    """The changes from one configuration to another, as they are published."""
    made = [
        diff.facts(schema.Settings.model_validate(data), salt="s", digits=4) for data in (old, new)
    ]
    return list(diff.changes(diff.from_json(diff.to_json(made[0])), made[1]))


@pytest.mark.parametrize("path", [path for path, _ in tree.walk()], ids=".".join)
def test_every_key_says_what_a_reload_does(path: KeyPath) -> None:
    assert liveness.of(path) in Liveness


def test_every_declaration_is_about_a_key() -> None:
    keys = {".".join(path[:length]) for path, _ in tree.walk() for length in range(1, 4)}

    assert set(liveness._BY_KEY) <= keys


@pytest.mark.parametrize(
    ("key", "how"),
    [
        ("api.token_file", Liveness.LIVE),
        ("fleet.workers", Liveness.LIVE),
        ("log.level", Liveness.LIVE),
        ("retry.max_s", Liveness.LIVE),
        ("pacing.hosts.h.roles.api.rate", Liveness.LIVE),
        ("breaker.hosts.h.fail_max", Liveness.LIVE),
        ("attachments.min_free_bytes", Liveness.LIVE),
        ("pacing.hosts.h.max_concurrent", Liveness.ROLLED),
        ("database.dsn", Liveness.ROLLED),
        ("api.base_url", Liveness.ROLLED),
        ("paths.output", Liveness.ROLLED),
        ("attachments.layout", Liveness.ROLLED),
        ("paths.state", Liveness.FIXED),
        ("monitor.bind", Liveness.FIXED),
    ],
)
def test_key_is_live_rolled_or_fixed(key: str, how: Liveness) -> None:
    assert liveness.of(tuple(key.split("."))) is how


def test_changes_tell_key_values_and_what_follows() -> None:
    assert [
        str(one) for one in changed({}, {"fleet": {"workers": 8}, "log": {"level": "debug"}})
    ] == [
        "fleet.workers: 4 -> 8 (live)",
        'log.level: "info" -> "debug" (live)',
    ]


def test_secrets_differ_without_being_shown() -> None:
    old: dict[str, object] = {
        "api": {"token": "first-token"},
        "database": {"dsn": "postgresql://u:first@h/d"},
    }
    new: dict[str, object] = {
        "api": {"token": "second-token"},
        "database": {"dsn": "postgresql://u:second@h/d"},
    }

    told = [str(one) for one in changed(old, new)]
    assert told == [
        'database.dsn: "postgresql://u:***@h/d" -> "postgresql://u:***@h/d" (rolled)',
        'api.token: "***" -> "***" (live)',
    ]


def test_a_layer_that_names_a_key_differs_from_one_that_inherits_it() -> None:
    named: dict[str, object] = {"breaker": {"hosts": {"h.x": {"fail_max": 3}}}}

    assert [str(one) for one in changed({}, named)] == [
        "breaker.hosts.h.x.fail_max: (inherited) -> 3 (live)"
    ]
    assert [str(one) for one in changed(named, {})] == [
        "breaker.hosts.h.x.fail_max: 3 -> (inherited) (live)"
    ]


def test_what_the_files_of_object_types_say_is_part_of_the_configuration(tmp_path: Path) -> None:
    shipped = object_types.default_folder() / "lcd.yaml"
    file = tmp_path / "lcd.yaml"

    def facts(text: str) -> diff.Facts:
        file.write_text(text)
        settings = schema.Settings.model_validate({"object_types": str(tmp_path)})
        return diff.facts(catalogue.read(settings), salt="s")

    before = facts(shipped.read_text())
    assert not diff.changes(before, facts("# the same\n" + shipped.read_text()))
    [change] = diff.changes(before, facts(shipped.read_text().replace("code: LCD", "code: LCE")))
    assert (change.key, change.how) == ("object_types.files", Liveness.ROLLED)
    assert change.old != change.new


def test_settings_keep_the_types_they_were_read_with(tmp_path: Path) -> None:
    (tmp_path / "lcd.yaml").write_text((object_types.default_folder() / "lcd.yaml").read_text())
    settings = catalogue.read(schema.Settings.model_validate({"object_types": str(tmp_path)}))
    (tmp_path / "lcd.yaml").write_text("fields: [")

    carried = pickle.loads(pickle.dumps(settings.model_copy(update={"timezone": "UTC"})))  # noqa: S301 - our own

    assert list(catalogue.of(carried).by_code) == ["LCD"]
    with pytest.raises(errors.ConfigError):
        catalogue.of(carried.with_types(None))


def test_nothing_differs_when_only_the_writing_does() -> None:
    assert not changed({"attachments": {"max_bytes": "500 MB"}}, {"retry": {"multiplier": 2.0}})


@pytest.mark.parametrize(
    ("kinds", "whole"),
    [
        ([], None),
        ([Liveness.LIVE], Liveness.LIVE),
        ([Liveness.ROLLED, Liveness.LIVE], Liveness.ROLLED),
        ([Liveness.LIVE, Liveness.FIXED, Liveness.ROLLED], Liveness.FIXED),
    ],
)
def test_the_hardest_change_decides(kinds: list[Liveness], whole: Liveness | None) -> None:
    made = [diff.Change(key="k", old=1, new=2, how=kind) for kind in kinds]

    assert diff.whole(made) is whole
