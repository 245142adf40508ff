"""An outage that only one role's breaker notices charges nobody of the other role."""

from collections.abc import Iterator

import pytest

from noggin_mp.domain import breaker
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from tests.support import postgres
from tests.support.wait import until

HOST = "api.example"
API, MEDIA = f"{HOST}:api", f"{HOST}:media"
POLICY = breaker.Policy(
    fail_max=3, open_duration_s=0.05, open_jitter=0, probe_deadline_s=0.2, success_threshold=1
)


@pytest.fixture
def worker(migrated: str) -> Iterator[store.Store]:
    with session.open_pool(migrated, schema=postgres.SCHEMA, application_name="h/0") as pool:
        yield store.Store(pool, worker="h/0")


def fail(of: store.Store, scope: str, tip: str, epoch: int = 0) -> str:
    tally = store.Tally(failed=1)
    row = of.report(scope=scope, epoch=epoch, tip=tip, reason="x", tally=tally, policy=POLICY)
    return str(row["charge"])


def succeed(of: store.Store, scope: str, epoch: int = 0) -> None:
    tally = store.Tally(ok=1, ok_age_s=0.0)
    of.recovered(scope=scope, epoch=epoch, tally=tally, policy=POLICY)


def test_report_charges_a_file_that_fails_again_when_others_came_through(
    worker: store.Store,
) -> None:
    assert fail(worker, MEDIA, "t") == "doubt"
    succeed(worker, MEDIA)
    assert fail(worker, MEDIA, "t") == "witness"


def test_report_charges_nobody_when_the_other_role_was_open_in_between(
    worker: store.Store,
) -> None:
    assert fail(worker, MEDIA, "t") == "doubt"
    assert [fail(worker, API, f"r{n}") for n in range(3)][-1] == "tripped"
    assert fail(worker, MEDIA, "u") == "doubt"  # in flight when the other role tripped
    probe = until(
        lambda: worker.try_probe(scope=API, fingerprint="", policy=POLICY)[1], timeout_s=60
    )
    row = probe.done(result="success", fingerprint="", tip="r0", reason="", policy=POLICY)
    assert row["state"] == "closed"
    succeed(worker, MEDIA)
    assert [fail(worker, MEDIA, tip) for tip in ("t", "u")] == ["doubt", "doubt"]
