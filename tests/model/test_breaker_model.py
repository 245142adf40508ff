"""The breaker's protocol, every reachable state of it, and what happens without each guard."""

import pytest

from tests.model import checker, payers
from tests.model.protocol import Protocol
from tests.model.shapes import Guards
from tests.model.sizes import SIZES

MOST = 60_000

TWO_TRIALS = "two trials in flight at the same time"
OTHER_EPOCH = "a sample of another epoch was counted"
LONG_AFTER = "a request long after the way was closed"

# Without this guard, at this size, this law is broken.
MUTATIONS = [
    ("report_epoch", "outage", OTHER_EPOCH),
    ("trial_epoch", "acts", "an unlisted move: a scope that is forced_open cannot trial_failed"),
    ("lease", "cut_prober", TWO_TRIALS),
    ("session_lock", "stopped_prober", TWO_TRIALS),
    ("checked_under_lock", "killed_prober", "a trial was granted when none was due"),
    ("deadline", "cut_prober", TWO_TRIALS),
    ("deadline_from_asking", "cut_prober", TWO_TRIALS),
    ("lease_outlives_acts", "acts", TWO_TRIALS),
    ("blind", "blind", LONG_AFTER),
    ("blind_from_asking", "late_beats", LONG_AFTER),
    ("newest_wins", "late_beats", "a request after hearing that the way is closed"),
    ("own_pause", "own_pause", "a request in a pause that its own worker was asked for"),
    ("never_shorten", "pauses", "a pause was shortened"),
    ("tally_epoch", "tallies", OTHER_EPOCH),
    ("told_once", "blind", "a sample was counted twice"),
    ("votes_end", "votes_and_acts", "votes of two epochs were added up"),
    ("epochs_grow", "restored_and_acts", OTHER_EPOCH),
    ("restore_takes_time", "restored", TWO_TRIALS),
    ("fingerprint", "tokens", "an auth stop ended without another token or a person"),
    ("remembers", "tokens", "a token was tried again that had been refused"),
]


@pytest.mark.parametrize("size", SIZES)
def test_protocol_breaks_no_law_in_any_reachable_state(size: str) -> None:
    found = checker.search(Protocol(SIZES[size]), most=MOST)
    print(f"{size}: {found}")
    assert not found.broken, str(found)
    assert found.states > 1000


@pytest.mark.parametrize(("guard", "size", "law"), MUTATIONS)
def test_checker_finds_a_violation_when_a_guard_is_off(guard: str, size: str, law: str) -> None:
    found = checker.search(Protocol(SIZES[size], Guards(**{guard: False})), most=MOST)
    print(f"without {guard}: {found}")
    assert found.broken == law
    assert 3 <= len(found.trace) <= 15


def test_nobody_pays_for_an_outage_in_any_reachable_state() -> None:
    found = checker.search(payers.Payers(), most=MOST)
    print(f"payers: {found}")
    assert not found.broken, str(found)
    assert found.states > 1000


@pytest.mark.parametrize(
    ("rule", "law"),
    [
        ("begun_after", payers.IN_OUTAGE),
        ("own_worker", payers.IN_OUTAGE),
        ("void_on_trip", payers.ACROSS),
    ],
)
def test_checker_finds_who_pays_in_vain_when_a_rule_is_off(rule: str, law: str) -> None:
    found = checker.search(payers.Payers(payers.Rules(**{rule: False})), most=MOST)
    print(f"without {rule}: {found}")
    assert found.broken == law
    assert 3 <= len(found.trace) <= 15


def test_every_guard_is_switched_off_by_some_test() -> None:
    assert {guard for guard, _, _ in MUTATIONS} == set(Guards.__dataclass_fields__)
