"""`init`: the next steps that it tells can be typed, and are those that are missing."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from noggin_mp.cli import init_files, init_steps
from tests.support.command import init


@pytest.mark.parametrize("name", ["two words", "a$HOME", "q'uote"])
def test_next_steps_can_be_typed_when_the_path_is_odd(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / name
    done = init(folder, "--json", capsys=capsys)

    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\n' {json.loads(done.out)['next'][-1]}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert shown.splitlines()[-2:] == [f"{folder}/config/noggin.yaml", "run"]


@pytest.mark.skipif(os.geteuid() != 0, reason="an account of its own is for root to use")
def test_next_steps_use_the_database_as_the_account_of_the_service(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = init(home, "--user", "nobody", "--json", capsys=capsys)

    verbs = {step.split()[-1]: step for step in json.loads(done.out)["next"]}
    for verb in ("doctor", "migrate"):
        assert verbs[verb].startswith("runuser -u nobody -- ")


def test_next_steps_can_be_typed_when_the_name_of_the_group_is_two_words(tmp_path: Path) -> None:
    """As those of a directory service are: `domain users`."""
    site = init_files.Site(
        folder=tmp_path, program=("noggin-mp",), user="nobody", group="domain users"
    )

    steps = init_steps.after(site, systemd=False, supervisord=False)

    assert not any("domain users" in step and "'domain users'" not in step for step in steps)


@pytest.mark.parametrize(("user", "made"), [("nobody", False), ("not-here-yet", True)])
def test_next_steps_make_the_account_only_when_it_is_missing(
    home: Path, capsys: pytest.CaptureFixture[str], user: str, made: bool
) -> None:
    """The folders of an account that is there are its own already: tmpfiles would take them."""
    done = init(home, "--user", user, "--systemd", "--dry-run", capsys=capsys)

    assert ("systemd-sysusers" in done.out, "systemd-tmpfiles" in done.out) == (made, made)
