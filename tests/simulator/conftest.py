"""A simulator of two processes with a control address, made honest again after each test."""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from noggin_mp.simulator import data, launch
from tests.support.sim import Sim
from tests.support.wait import until

TIPS = 120


@pytest.fixture(scope="session")
def shared_sim() -> Iterator[Sim]:
    """One simulator for all tests that do not need their own."""
    with launch.running(tips=TIPS, seed=11, control=True, processes=2, missing="5%") as running:
        world = data.World(seed=11, tips=TIPS, missing=Fraction(1, 20), namespace=running.namespace)
        yield Sim(running=running, world=world)


@pytest.fixture
def sim(shared_sim: Sim) -> Iterator[Sim]:
    """The shared simulator; whatever a test sets is taken back."""
    yield shared_sim
    running = shared_sim.running
    # What a test left before its end is logged when the simulator notices: not in the next test.
    until(lambda: running.control("/stats")["in_flight"] == 0, timeout_s=60, what="rest")
    running.control(
        mode="ok",
        faults="",
        latency_ms="0",
        token=running.token,
        max_faults_per_tip=3,
        drip_bytes_per_s=256,
        stall_s=600,
        retry_after_styles="seconds,date,nonsense,none",
        retry_after_max_s=5,
    )
