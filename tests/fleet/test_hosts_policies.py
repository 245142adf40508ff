"""Two real hosts whose files differ: the fleet tells it, until a reload makes them equal."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import fleet, hosts


def differing(desk: fleet.Site) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(desk.ok("fleet", "status", "--json"))[
        "policies_differ"
    ]
    return found


@pytest.mark.slow
def test_note_on_policies_that_differ_ends_with_a_reload(tmp_path: Path, migrated: str) -> None:
    with fleet.simulator(tmp_path, tips=1) as api:
        small = {"fleet": {"workers": 1}}
        ann, desk = (hosts.site(tmp_path, migrated, api, name, **small) for name in ("ann", "desk"))
        there = hosts.api_host(ann)
        roles = {there: {"roles": {"media": {"rate": "20/s"}}}}
        other = {"breaker": {**hosts.FAST, "fail_max": 17}, "pacing": {"hosts": roles}}
        bob = hosts.site(tmp_path, migrated, api, "bob", **small, **other)
        with hosts.running([ann, bob]):
            expected = [
                {"scope": there, "key": "breaker.fail_max", "values": {"ann": 5, "bob": 17}},
                {"scope": f"{there}:media", "key": "pacing.rate",
                 "values": {"ann": None, "bob": "20/s, media alone"}},
            ]  # fmt: skip
            hosts.until(lambda: differing(desk) == expected, timeout_s=120, what="both tell theirs")
            note = f"at {there}: breaker.fail_max (ann: 5; bob: 17); at {there}:media: pacing.rate"
            assert note in desk.ok("fleet", "status")
            told = json.loads(ann.run("health", "--json").stdout)
            assert note in "".join(one["message"] for one in told["notes"])
            assert note in ann.run("doctor", "--offline").stdout

            monitor = fleet.supervisor_file(bob)["monitor"]["pid"]
            for section in ("breaker", "pacing"):
                bob.settings.pop(section)
            bob.settings["breaker"] = ann.settings["breaker"]
            bob.write()
            desk.ok("fleet", "reload", "--host", "bob", "--timeout", "300")
            hosts.until(lambda: not differing(desk), timeout_s=120, what="the note ends")
            assert fleet.supervisor_file(bob)["monitor"]["pid"] == monitor  # it was told, live
            told = json.loads(ann.run("health", "--json").stdout)
            assert "policies.differ" not in {one["code"] for one in told["notes"]}
