"""The SQL functions and the pure policy decide alike."""

import datetime
import random
from typing import Any

import pytest
from psycopg.types import json

from noggin_mp.domain import breaker
from noggin_mp.store import session

SCOPE = "api.example:api"
START = 1_700_000_000.0


def _policy(dice: random.Random) -> breaker.Policy:
    return breaker.Policy(
        fail_max=dice.choice([1, 2, 3, 5]),
        failure_threshold_percent=dice.choice([10.0, 33.3, 50.0, 100.0]),
        sample_size=dice.choice([1, 4, 10]),
        window_s=dice.choice([1.0, 12.0, 60.0]),
        slow_threshold_percent=dice.choice([None, 50.0]),
        min_voters=dice.choice([1, 2, 3]),
    )


def _report(
    conn: session.Connection, worker: str, epoch: int, policy: breaker.Policy, **values: Any
) -> dict[str, Any]:
    now = datetime.datetime.fromtimestamp(values.pop("now"), datetime.UTC)
    row = conn.execute(
        "SELECT breaker_report(%s, %s, %s, %s, 'http_503', %s, 1, %s, NULL, %s, %s)",
        (
            SCOPE,
            worker,
            epoch,
            values["tip"],
            values["ok"],
            values["slow"],
            json.Jsonb(policy.as_dict()),
            now,
        ),
    ).fetchone()
    assert row is not None
    return dict(row[0])


@pytest.mark.parametrize("seed", range(12))
def test_report_decides_as_the_pure_policy_when_sequences_are_random(
    conn: session.Connection, seed: int
) -> None:
    dice = random.Random(seed)
    policy, votes, epoch, now = _policy(dice), dict[str, breaker.Vote](), 0, START
    for number in range(60):
        now += dice.choice([0.01, 0.4, 3.0, 40.0, -20.0])
        worker = f"h/{dice.randrange(3)}"
        vote = votes.setdefault(worker, breaker.Vote())
        if dice.random() < 0.4:
            conn.execute(
                "SELECT breaker_recovered(%s, %s, %s, 1, 0, NULL, %s, %s)",
                (
                    SCOPE,
                    worker,
                    epoch,
                    json.Jsonb(policy.as_dict()),
                    datetime.datetime.fromtimestamp(now, datetime.UTC),
                ),
            )
            vote.add(ok=1, failed=0, slow=0, streak=0, now_s=now, policy=policy)
            continue
        ok, slow = dice.randrange(4), dice.randrange(2)
        row = _report(conn, worker, epoch, policy, now=now, tip=f"t{number}", ok=ok, slow=slow)
        vote.add(ok=ok, failed=1, slow=slow, streak=1, now_s=now, policy=policy)
        expected = breaker.decide(votes, worker=worker, busy=0, policy=policy, now_s=now)
        if expected.startswith("trip"):
            assert (row["charge"], row["state"]) == ("tripped", "open"), (number, expected)
            view = conn.execute("SELECT breaker_force(%s, 'reset', NULL, 't', '')", (SCOPE,))
            found = view.fetchone()
            assert found is not None
            epoch, votes = found[0]["epoch"], {}
        elif expected is breaker.Decision.QUARANTINE:
            assert row["charge"] == "quarantine", (number, row)
            vote.quarantined = True
        else:
            assert row["charge"] == "doubt", (number, row)


def test_open_seconds_agree_with_the_pure_policy(conn: session.Connection) -> None:
    policy = breaker.Policy(open_jitter=0.3)
    for count in (0, 1, 2, 5, 100):
        for share in (0.0, 0.25, 0.999):
            row = conn.execute(
                "SELECT breaker_open_seconds(%s, %s, %s)",
                (json.Jsonb(policy.as_dict()), count, share),
            ).fetchone()
            assert row is not None
            assert row[0] == pytest.approx(breaker.open_seconds(policy, count, share))
