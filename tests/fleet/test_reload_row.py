"""A row of reloads of a fleet at work: the short form of `python -m tests.faults reloads`."""

from pathlib import Path

import pytest

from tests.faults import reloads
from tests.support import fleet


@pytest.mark.slow
def test_nothing_is_lost_or_charged_when_reload_follows_reload(
    tmp_path: Path, migrated: str
) -> None:
    with fleet.simulator(tmp_path, tips=250, options=reloads.WORK) as api:
        site = fleet.Site(tmp_path, migrated, api, **reloads.SETTINGS)
        site.ok("import", str(tmp_path / "export.csv"))
        reloads.prepare(site, api.token)
        figures = reloads.run(site, tips=250, count=8)

    assert (len(figures.live_s), len(figures.rolled_s)) == (7, 1)
    assert figures.down <= 1
