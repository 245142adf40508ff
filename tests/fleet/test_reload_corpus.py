"""Each of many bad configurations by a real HUP to one fleet at work: nothing changes but one line.

The fleet is the same for all of them, so that the hundredth reload meets what the others left.
"""

import json
import os
import re
from pathlib import Path

import pytest

from tests.support import bad_configs, fleet, hosts, reloads, truth

TIPS = 400
PLACE = re.compile(r"(noggin|50-more)\.yaml(:\d+:\d+)?: |conf\.d: ")


@pytest.mark.slow
def test_no_bad_configuration_touches_the_fleet_and_a_good_one_is_applied(
    tmp_path: Path, migrated: str
) -> None:
    tmp_path.chmod(0o755)
    options = ["--latency-ms", "40-80", "--missing", "0"]
    with fleet.simulator(tmp_path, tips=TIPS, options=options) as api:
        site = fleet.Site(tmp_path, migrated, api, fleet={"workers": 2, "threads": 2},
                          log={"level": "warning"})  # fmt: skip
        site.settings.pop("log")
        site.write()
        site.ok("import", str(tmp_path / "export.csv"))
        with site.connect() as connection:
            connection.execute(truth.COUNT_SETTLES)
        with fleet.running(site) as process:
            reloads.running(site, 2)
            hosts.progress(site, 5)
            before = reloads.pids(site)
            faults = [
                f"{name}: {told!r}, {fault}"
                for name, spoil, told in bad_configs.CASES
                if (fault := _fault(site, spoil, told, before))
            ]
            assert not faults, "\n".join(faults)
            done = hosts.done(site)
            site.settings["fleet"]["threads"] = 4
            site.write()
            last = reloads.hup(site)

            assert (last["outcome"], last["version"]) == ("applied", 2)
            assert reloads.pids(site) == before
            assert fleet.supervisor_file(site)["config_error"] is None
            _drop_in_comes_and_is_emptied(site)
            assert reloads.pids(site) == before
            if done < TIPS:
                hosts.progress(site, 1)
            process.terminate()
            assert process.wait(120) == 0
        assert done > 50  # the work went on
        assert hosts.charged(site) == []
        assert site.value("SELECT count(*) FROM settled") == hosts.done(site)
        assert bad_configs.SECRET not in site.log
        everything = "".join(
            path.read_text("utf-8", "replace") for path in (tmp_path / "state").glob("*.json")
        )
        assert bad_configs.SECRET not in everything


def _drop_in_comes_and_is_emptied(site: fleet.Site) -> None:
    """A new one that says nothing is harmless; one that had said something must not fall silent."""
    file = site.folder / "conf.d" / "60-threads.yaml"
    file.parent.mkdir()
    told = []
    for text in ("# fleet: {threads: 3}\n", "fleet: {threads: 3}\n", "# fleet: {threads: 3}\n"):
        file.write_text(text)
        told.append(reloads.hup(site))
    assert [last["outcome"] for last in told] == ["unchanged", "applied", "invalid"]
    assert told[2]["error"].startswith(f"{file}: nothing is written in it")
    file.unlink()
    assert reloads.hup(site)["changed"] == ["fleet.threads"]


def _fault(site: fleet.Site, spoil: bad_configs.Spoil, told: str, before: list[int]) -> str:
    """What a bad configuration did that it should not have done; empty when it was refused well."""
    seen = os.path.getsize(site.folder / "fleet.log")  # noqa: PTH202
    spoil(site.config, site.settings)
    last = reloads.hup(site)
    bad_configs.mend(site.config, site.settings)
    with (site.folder / "fleet.log").open("rb") as log:
        log.seek(seen)
        lines = [json.loads(line) for line in log.read().decode().splitlines()]
    loud = [line for line in lines if line["level"] in ("error", "warning")]
    said = fleet.supervisor_file(site)
    reasons = [(line["event"], line.get("reason")) for line in loud]
    held = (
        last["outcome"] == "invalid"
        and told in last["error"]
        and PLACE.search(last["error"])
        and "\n" not in last["error"]
        and [(line["event"], line["reason"]) for line in loud]
        == [("config_rejected", last["error"])]
        and said["config_error"] == last["error"]
        and (said["config_version"], said["state"]) == (1, "running")
        and reloads.pids(site) == before
    )
    return "" if held else f"{last['outcome']}: {last['error']}; {reasons}"
