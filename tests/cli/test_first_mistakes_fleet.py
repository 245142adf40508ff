"""Mistakes that a running fleet meets: it waits, charges nobody, says why, goes on when mended."""

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import fleet, wait

until = functools.partial(wait.until, timeout_s=180.0)
WORKERS = 2
SMALL = ("--workers", "2", "--threads", "2")
UNTOUCHED = (
    "SELECT count(*) FROM noggin_data WHERE processing_status = 'pending' AND retry_count = 0"
    " AND next_retry_at IS NULL AND NOT permanently_failed"
)
TIPS = 30


@pytest.fixture
def api(tmp_path: Path) -> Iterator[fleet.Simulator]:
    with fleet.simulator(tmp_path, tips=TIPS, options=["--missing", "0"]) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, migrated: str, api: fleet.Simulator) -> fleet.Site:
    made = fleet.Site(tmp_path, migrated, api)
    made.ok("import", str(tmp_path / "export.csv"))
    return made


def reasons(site: fleet.Site) -> dict[str, Any]:
    """What `health` complains of: code -> reason; it must exit 1."""
    done = site.run("health", "--json")
    assert done.returncode == 1, done.stdout
    return {one["code"]: one for one in json.loads(done.stdout)["reasons"]}


def leased(site: fleet.Site) -> int:
    """TIPs and leases that are held."""
    count: int = site.value(
        "SELECT (SELECT count(*) FROM lease)"
        " + (SELECT count(*) FROM noggin_data WHERE processing_status = 'processing')"
    )
    return count


def all_complete(site: fleet.Site) -> bool:
    """True when every TIP is done."""
    query = "SELECT count(*) FROM noggin_data WHERE processing_status = 'complete'"
    return bool(site.value(query) == TIPS)


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_expired_token_ends_a_draining_run_and_a_plain_one_waits_for_a_new_token(
    site: fleet.Site, api: fleet.Simulator
) -> None:
    file = site.folder / "token"
    file.touch(0o600)
    file.write_text(api.token)
    del site.settings["api"]["token"]
    site.settings["api"]["token_file"] = str(file)
    site.write()
    api.control(body={"token": "the-new-token"})

    ended = site.run("--json", "run", "--until-drained", *SMALL)

    assert ended.returncode == 4
    error = json.loads(ended.stdout)["error"]
    assert error["code"] == "credentials"
    assert (error["message"], "api.token_file" in error["remedy"]) == (
        "the API refuses the token",
        True,
    )
    assert (site.value(UNTOUCHED), leased(site)) == (TIPS, 0)
    with fleet.running(site, *SMALL):
        until(lambda: fleet.supervisor_file(site).get("state") == "running")
        told = site.status()
        assert told["supervisor"]["state"] == "running"
        assert "auth_stop" in [one["state"] for one in told["breakers"]]
        stop = reasons(site)["breaker.auth_stop"]
        assert "valid token (api.token or api.token_file)" in stop["remedy"]
        assert (site.value(UNTOUCHED), leased(site)) == (TIPS, 0)
        file.write_text("the-new-token\n")
        until(lambda: all_complete(site), what=f"{TIPS} TIPs; see {site.folder}")
        until(lambda: site.run("health").returncode == 0)
    assert site.value("SELECT max(retry_count) FROM noggin_data") == 0
    for text in (ended.stderr, site.log):
        assert api.token not in text
        assert "the-new-token" not in text


def test_disk_under_its_floor_pauses_the_fleet_and_ends_a_draining_run_with_8(
    site: fleet.Site,
) -> None:
    site.settings["attachments"]["min_free_bytes"] = 2**60
    site.write()

    ended = site.run("--json", "run", "--until-drained", *SMALL)

    assert ended.returncode == 8
    error = json.loads(ended.stdout)["error"]
    assert error["code"] == "local.disk_full"
    assert f"free at {site.output}, under the floor" in error["message"]
    assert "attachments.min_free_bytes" in error["remedy"]
    assert (site.value(UNTOUCHED), leased(site)) == (TIPS, 0)
    one = site.run("run", "--tip", site.value("SELECT tip FROM noggin_data LIMIT 1"))
    assert (one.returncode, "under the floor" in one.stderr) == (8, True)
    with fleet.running(site, *SMALL):
        until(lambda: states(site) == ["blocked"] * WORKERS)
        found = reasons(site)
        assert "the floor is" in found["disk.low"]["message"]
        assert "workers.blocked" in found
        assert (site.value(UNTOUCHED), leased(site)) == (TIPS, 0)
        assert files(site.output) == []


def test_a_folder_that_goes_away_pauses_the_fleet_until_it_is_back(
    tmp_path: Path, migrated: str, api: fleet.Simulator
) -> None:
    site = fleet.Site(tmp_path, migrated, api)
    elsewhere = tmp_path / "unmounted"
    with fleet.running(site, *SMALL):
        until(lambda: states(site) == ["running"] * WORKERS)
        site.output.rename(elsewhere)
        site.ok("import", str(tmp_path / "export.csv"))
        until(lambda: states(site) == ["blocked"] * WORKERS)
        assert "paths.output" in reasons(site)["workers.blocked"]["remedy"]
        # What was leased in the moment before they looked at the folder is handed back.
        until(lambda: (site.value(UNTOUCHED), leased(site)) == (TIPS, 0))
        assert not site.output.exists()
        elsewhere.rename(site.output)
        until(lambda: all_complete(site))
    assert not [path for path in files(site.output) if path.name.endswith(".tmp")]


# Runs a program with a file system of its own, much too small, at a folder; then tells what is left
# there of unfinished files. Nobody else sees that file system, and it goes with the program.
SMALL_DISK = """
mount -t tmpfs -o size=200k tmpfs "$0" || exit 99
"$@"; code=$?
find "$0" -name '*.tmp' >&2
exit $code
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount a small file system")
def test_a_disk_that_fills_up_ends_a_draining_run_with_8_and_leaves_no_partial_file(
    site: fleet.Site,
) -> None:
    site.output.mkdir()
    command = site.command("--json", "run", "--until-drained", *SMALL)
    apart = ["unshare", "--mount", "sh", "-c", SMALL_DISK, str(site.output)]
    done = subprocess.run([*apart, *command], capture_output=True, text=True, check=False)
    if done.returncode in (1, 99) and not done.stdout:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")

    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (8, "local.disk_full")
    assert "No space left on device" in error["message"]
    assert "make room on its file system: df -h" in error["remedy"]
    assert ".tmp" not in done.stderr
    assert leased(site) == 0
    assert 0 < site.value(UNTOUCHED) < TIPS
    assert site.value("SELECT max(retry_count) FROM noggin_data") == 0


def states(site: fleet.Site) -> list[str]:
    """What the workers at work say of themselves."""
    return [one["state"] for one in site.status()["workers"] if one["state"] != "stopped"]


def test_unreachable_api_opens_the_breaker_and_charges_nobody(
    site: fleet.Site, api: fleet.Simulator
) -> None:
    site.settings["api"]["base_url"] = "http://127.0.0.1:1"
    site.write()
    with fleet.running(site, "--until-drained", *SMALL) as process:
        why = "the breaker 127.0.0.1:api is open: a trial request failed: refused"
        until(lambda: why in site.run("health").stdout)
        found = [one["state"] for one in site.status()["breakers"]]
        assert {"open", "half_open"} & set(found)
        assert process.poll() is None
        assert site.value("SELECT max(retry_count) FROM noggin_data") == 0
        assert site.value("SELECT count(*) FROM noggin_data WHERE permanently_failed") == 0
