"""Orders from a supervisor to a child over a real pipe."""

import os

import pytest

from noggin_mp.domain import child
from noggin_mp.supervisor import orders


@pytest.fixture
def ends() -> tuple[orders.Desk, orders.Tray]:
    read_fd, write_fd = os.pipe()
    return orders.Desk(write_fd), orders.Tray(read_fd)


def test_orders_arrive_whole_and_in_turn(ends: tuple[orders.Desk, orders.Tray]) -> None:
    desk, tray = ends
    given = [child.Order(name="settings", body={"n": n}) for n in range(3)]
    for order in given:
        assert desk.give(order)

    assert tray.read() == given
    assert tray.read() == []


def test_orders_larger_than_the_pipe_arrive_while_the_child_reads(
    ends: tuple[orders.Desk, orders.Tray],
) -> None:
    desk, tray = ends
    order = child.Order(name="settings", body=b"x" * 1_000_000)
    assert desk.give(order)

    found = tray.read()
    while not desk.flush():
        found += tray.read()

    assert found + tray.read() == [order]


def test_orders_are_refused_when_the_child_reads_nothing(
    ends: tuple[orders.Desk, orders.Tray],
) -> None:
    desk, _ = ends
    large = child.Order(name="settings", body=b"x" * (orders.MAX_WAITING_BYTES * 2 // 3))

    assert [desk.give(large) for _ in range(3)] == [True, False, False]


def test_orders_to_a_dead_child_are_dropped(ends: tuple[orders.Desk, orders.Tray]) -> None:
    desk, tray = ends
    os.close(tray.fd)

    assert desk.give(child.Order(name="stop"))
    assert desk.flush()
