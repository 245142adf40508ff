"""Who pays where a worker's, or a whole host's, way to the API is broken."""

import pytest

from noggin_mp.domain import breaker
from noggin_mp.gateway import reasons
from noggin_mp.store import breaker as store
from tests.support.stores import Make

API = "api.example:api"
POLICY = breaker.Policy(
    fail_max=50, sample_size=1000, min_voters=1, open_duration_s=0, open_jitter=0
)
UNCONNECTED = ["dns", "refused", "unreachable", "connect_timeout", "tls", "tls_certificate"]


def fail(of: store.Store, tip: str, reason: str = "read_timeout") -> str:
    tally = store.Tally(failed=1)
    row = of.report(scope=API, epoch=0, tip=tip, reason=reason, tally=tally, policy=POLICY)
    return str(row["charge"])


def succeed(of: store.Store) -> None:
    of.recovered(scope=API, epoch=0, tally=store.Tally(ok=1, ok_age_s=0.0), policy=POLICY)


@pytest.mark.parametrize("reason", UNCONNECTED)
def test_no_tip_pays_when_the_api_was_not_reached(worker: Make, reason: str) -> None:
    assert reason in reasons.REASONS
    one, other, far = worker("a/0"), worker("a/1"), worker("b/0")
    for at in (one, other, far, one):
        assert fail(at, "t", reason) == "unconnected"
        succeed(at)


def test_a_cut_off_hosts_tip_does_not_pay_when_only_other_hosts_are_well(worker: Make) -> None:
    one, other, far = worker("a/0"), worker("a/1"), worker("b/0")
    assert fail(one, "t") == "doubt"
    succeed(far)
    assert fail(other, "t") == "doubt"
    succeed(far)
    assert fail(one, "t") == "doubt"


def test_a_tip_pays_when_it_fails_at_two_workers_and_their_neighbour_is_well(worker: Make) -> None:
    one, other, near = worker("a/0"), worker("a/1"), worker("a/2")
    assert fail(one, "t") == "doubt"
    succeed(near)
    assert fail(other, "t") == "witness"


def test_a_tip_pays_when_it_fails_at_two_hosts_and_a_third_is_well(worker: Make) -> None:
    one, other, far = worker("a/0"), worker("b/0"), worker("c/0")
    assert fail(one, "t") == "doubt"
    succeed(far)
    assert fail(other, "t") == "witness"


def test_a_trial_that_did_not_reach_the_api_charges_nobody(worker: Make) -> None:
    alone = worker("a/0")
    alone.report(
        scope=API, epoch=0, tip="t", reason="refused", tally=store.Tally(failed=1),
        policy=breaker.Policy(fail_max=1, open_duration_s=0, open_jitter=0),
    )  # fmt: skip
    charges = []
    for reason in [*["refused"] * 5, *["http_503"] * 3]:
        _, probe = alone.try_probe(scope=API, fingerprint="", policy=POLICY)
        assert probe is not None
        row = probe.done(result="failure", fingerprint="", tip="t", reason=reason, policy=POLICY)
        charges.append(row["charge"])
    assert charges == ["probe"] * 7 + ["alone"]
