"""The SQL functions about tokens: 401, 403, and the one test request that decides."""

from typing import Any

from noggin_mp.domain import breaker
from noggin_mp.store import breaker as store
from noggin_mp.store import session
from tests.support.stores import Make
from tests.support.wait import until

HOST = "api.example"
API = "api.example:api"
POLICY = breaker.Policy(open_duration_s=0.05, open_jitter=0, probe_deadline_s=0.2, fail_max=3)


def end(probe: store.Probe, result: str, *, token: str) -> dict[str, Any]:
    return probe.done(result=result, fingerprint=token, tip="t", reason="x", policy=POLICY)


def seize(of: store.Store, *, token: str) -> store.Probe:
    return until(
        lambda: of.try_probe(scope=HOST, fingerprint=token, policy=POLICY)[1], timeout_s=60
    )


def refuse(of: store.Store, *, epoch: int = 0, token: str = "old", tip: str = "t") -> str:  # noqa: S107 - a digest
    row = of.auth_stop(scope=HOST, epoch=epoch, fingerprint=token, tip=tip, reason="http_401")
    return str(row["charge"])


def test_auth_stop_ends_when_a_new_token_passes_its_one_test(
    worker: Make, conn: session.Connection
) -> None:
    of = worker("h/0")
    assert [refuse(of), refuse(of)] == ["auth_stop", "closed"]
    row, probe = of.try_probe(scope=HOST, fingerprint="old", policy=POLICY)
    assert probe is None
    assert row["remaining_s"] is None
    probe = seize(of, token="new")
    row = end(probe, "success", token="new")
    assert row["state"] == "closed"
    assert refuse(of, epoch=0) == "stale"  # an answer to the old token, late
    assert refuse(of, epoch=row["epoch"], token="new") == "auth_stop"


def test_auth_stop_stays_when_the_new_token_is_refused_too(worker: Make) -> None:
    of = worker("h/0")
    refuse(of)
    row = end(seize(of, token="new"), "refused", token="new")
    assert (row["state"], row["fingerprint"]) == ("auth_stop", "old new")
    for refused in ("new", "old", ""):  # nor the first one again, nor none at all
        assert of.try_probe(scope=HOST, fingerprint=refused, policy=POLICY)[1] is None
    end(seize(of, token="third"), "success", token="third")


def test_auth_stop_charges_a_tip_refused_again_when_others_pass_with_the_same_token(
    worker: Make, conn: session.Connection
) -> None:
    of = worker("h/0")
    refuse(of, tip="x")
    view = store.force(conn, scope=HOST, verb="close", who="me", reason="token is fine")
    of.recovered(scope=API, epoch=0, tally=store.Tally(ok=1, ok_age_s=0.0), policy=POLICY)
    assert refuse(of, epoch=view["epoch"], tip="x") == "refused"
    assert refuse(of, epoch=view["epoch"], tip="y") == "auth_stop"


def forbid(of: store.Store, tip: str, *, token: str = "t", ok_age_s: float | None = None) -> str:  # noqa: S107 - a digest
    row = of.forbidden(scope=HOST, epoch=2**60, fingerprint=token, tip=tip, ok_age_s=ok_age_s)
    return str(row["charge"])


def complete(conn: session.Connection) -> None:
    conn.execute("INSERT INTO noggin_data (tip, processing_status) VALUES ('good', 'complete')")


def test_forbidden_stops_everybody_when_five_tips_in_a_row_were(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    complete(conn)
    assert [forbid(of, f"{of.worker}") for of in (a, b, a, b)] == ["forbidden"] * 4
    assert [forbid(b, tip) for tip in "xyz"] == ["forbidden", "forbidden", "auth_stop"]
    assert forbid(a, "late") == "closed"
    row = end(seize(b, token="t"), "refused", token="t")
    assert (row["state"], row["fingerprint"]) == ("auth_stop", "t")


def test_forbidden_is_the_records_own_when_the_token_passed_its_test(
    worker: Make, conn: session.Connection
) -> None:
    of = worker("h/0")
    complete(conn)
    assert [forbid(of, tip) for tip in "abcde"][-1] == "auth_stop"
    row = end(seize(of, token="t"), "success", token="t")
    assert (row["state"], row["closed_s"]) == ("closed", None)  # at full speed
    assert {forbid(of, tip) for tip in "fghijklmn"} == {"forbidden"}
    assert [forbid(of, tip, token="u") for tip in "opqrs"][-1] == "auth_stop"


def test_forbidden_is_charged_when_others_succeed_or_nothing_is_known_to_be_good(
    worker: Make, conn: session.Connection
) -> None:
    a, b = worker("h/0"), worker("h/1")
    assert {forbid(a, tip) for tip in "abcdefghijkl"} == {"forbidden"}
    complete(conn)
    for tip in "abcdefghij":
        assert forbid(a, tip) == "forbidden"
        b.recovered(scope=API, epoch=0, tally=store.Tally(ok=1, ok_age_s=0.0), policy=POLICY)
    assert {forbid(a, tip, ok_age_s=0.0) for tip in "klmnop"} == {"forbidden"}
