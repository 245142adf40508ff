"""What an outage costs before the fleet stands still: fail_max and twice what is in flight."""

import pytest

from tests.benchmarks.breaker import stage, stops


@pytest.mark.slow
def test_outage_costs_fail_max_and_twice_what_is_in_flight_whatever_its_kind() -> None:
    with stage.stage(tips=3000) as made:
        found = stops.measured(
            made, workers=4, threads=2, modes=("reset", "503", "reset"), by_hand=0
        )
    leaked = [(stop.mode, stop.leaked) for stop in found.trips]
    print(f"at most {found.bound}: {leaked}")
    assert found.bound == 5 + 2 * 8
    assert all(count <= found.bound for _, count in leaked), leaked
    assert found.charges == []
