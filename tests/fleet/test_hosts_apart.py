"""Three hosts in network namespaces: cut off, killed, hours ahead; the rest goes on, none is lost.

The long form, with figures: `python -m tests.faults hosts`.
"""

import time
from pathlib import Path

import pytest

from tests.support import hosts, skew, trio


@pytest.mark.slow
@skew.needs_library
def test_hosts_lose_nothing_when_they_are_cut_off_killed_and_hours_ahead(tmp_path: Path) -> None:
    with trio.world(tmp_path, tips=320) as three:
        three.goes_on(*trio.NAMES)
        leader = hosts.until(three.leader, what="somebody leads")
        others = [three.hosts[name] for name in trio.NAMES if name != leader]
        with three.hosts[leader].site.island.unheard(trio.DATABASE_PORT):
            cut_at = time.monotonic()
            _kill_one_and_cut_the_other_off(three, *others)
            hosts.until(
                lambda: three.leader() not in (None, leader), timeout_s=120, what="another leads"
            )
            print(f"another led within {time.monotonic() - cut_at:.1f} s of the leader's cut")
        three.all_beat()
        three.finish()


def _kill_one_and_cut_the_other_off(three: trio.Trio, one: trio.Host, other: trio.Host) -> None:
    """Whoever is left goes on; then the killed one comes back, and goes on alone."""
    one.kill()
    three.goes_on(other.name, more=10)
    one.start()
    three.goes_on(one.name, more=5)
    with other.site.island.unheard(three.api_port):
        three.goes_on(one.name, more=10)
