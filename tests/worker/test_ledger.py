"""The ledger: what a worker holds, for how long it may trust it, and what is left of it."""

import pytest

from noggin_mp.domain.tip import LeaseToken, Status, Tip
from noggin_mp.store import queue
from noggin_mp.worker import ledger

LEASE_S = 60.0
ONE, TWO = LeaseToken(1), LeaseToken(2)


def item(token: LeaseToken, tip: str) -> queue.Leased:
    return queue.Leased(
        token=token, tip=Tip(tip), gen=0, prio=5, object_type="unknown", object_code="LCD",
        status=Status.PENDING, retry_count=0, interruptions=0,
    )  # fmt: skip


def batch(token: LeaseToken, *tips: str, trusted_until: float = LEASE_S) -> queue.Batch:
    items = tuple(item(token, tip) for tip in tips)
    return queue.Batch(token=token, items=items, taken=len(tips), trusted_until=trusted_until)


@pytest.fixture
def held() -> ledger.Ledger:
    """Two leases: 1 with a, b, c and 2 with d."""
    made = ledger.Ledger(lease_s=LEASE_S)
    made.grant(batch(ONE, "a", "b", "c"))
    made.grant(batch(TWO, "d", trusted_until=90.0))
    return made


def test_grant_ignores_a_batch_without_a_lease() -> None:
    held = ledger.Ledger(lease_s=LEASE_S)
    held.grant(queue.Batch(token=None, items=(), taken=3, trusted_until=1.0))
    assert (held.outstanding, held.tokens) == (0, [])


def test_outstanding_counts_what_is_neither_settled_nor_handed_back(held: ledger.Ledger) -> None:
    assert held.outstanding == 4
    held.close(ONE, Tip("b"))
    held.close(ONE, Tip("b"))  # told twice, gone once
    held.close(ONE, Tip("stranger"))
    assert held.outstanding == 3
    held.close(TWO, Tip("d"))
    assert (held.outstanding, held.tokens) == (2, [ONE])


@pytest.mark.parametrize(
    ("token", "now", "expected"),
    [(ONE, 59.9, True), (ONE, 60.0, False), (TWO, 60.0, True), (LeaseToken(9), 0.0, False)],
)
def test_trusted_ends_with_the_time_counted_from_before_the_lease_was_asked_for(
    held: ledger.Ledger, token: LeaseToken, now: float, expected: bool
) -> None:
    assert held.trusted(token, now) is expected


@pytest.mark.parametrize(("now", "expected"), [(0.0, False), (20.0, False), (20.1, True)])
def test_renew_due_after_a_third_of_the_shortest_lease(
    held: ledger.Ledger, now: float, expected: bool
) -> None:
    assert held.renew_due(now) is expected


def test_renewed_trusts_the_kept_from_the_asking_and_forgets_the_lost(held: ledger.Ledger) -> None:
    lost = held.renewed([TWO, LeaseToken(9)], asked=100.0)
    assert lost == [ONE]
    assert held.tokens == [TWO]
    assert held.trusted(TWO, 159.9)
    assert not held.trusted(TWO, 160.0)
    assert not held.trusted(ONE, 0.0)
    assert held.outstanding == 1


@pytest.mark.parametrize(
    ("going", "expected"),
    [
        ([], []),
        ([(ONE, "a"), (ONE, "b")], []),
        ([(ONE, "a"), (ONE, "b"), (ONE, "c")], [ONE]),
        ([(TWO, "d"), (ONE, "c")], [TWO]),
        ([(LeaseToken(9), "a")], []),
    ],
)
def test_finished_by_names_the_leases_of_which_nothing_would_be_left(
    held: ledger.Ledger, going: list[tuple[LeaseToken, str]], expected: list[LeaseToken]
) -> None:
    assert held.finished_by((token, Tip(tip)) for token, tip in going) == expected


def test_finished_by_counts_what_was_closed_before(held: ledger.Ledger) -> None:
    held.close(ONE, Tip("a"))
    assert held.finished_by([(ONE, Tip("b")), (ONE, Tip("c"))]) == [ONE]


def test_forget_drops_a_lease_whole(held: ledger.Ledger) -> None:
    held.forget(ONE)
    held.forget(ONE)
    held.close(ONE, Tip("a"))
    assert (held.outstanding, held.tokens) == (1, [TWO])
