"""What a job makes of unusable answers and of its own faults: who is charged, and what is kept."""

import json
from collections.abc import Callable

import pytest

from noggin_mp.worker import job, text
from tests.support import fault_server, job_bench, records

TIP = records.hex64("record")
GOOD = records.hex64("a good record")


def body(tip: str = TIP, **changes: object) -> bytes:
    """The JSON of a record without files."""
    type_ = job_bench.CATALOGUE.by_code["TA"]
    return json.dumps(records.body(type_, tip=tip, **changes)).encode()


UNUSABLE: list[tuple[str, bytes]] = [
    ("nul", fault_server.reply(body(comments="a\0b"))),
    ("wrong_tip", fault_server.reply(body(tip=GOOD))),
    ("not_object", fault_server.reply(b"[" + body() + b"]")),
    ("html", fault_server.reply(b"<html>maintenance</html>")),
    ("truncated", fault_server.reply(body()[:100], headers={"Content-Length": "5000"})),
    ("http_500", fault_server.reply(b"oops", status=500)),
]


@pytest.mark.parametrize(("reason", "answer"), UNUSABLE, ids=[name for name, _ in UNUSABLE])
def test_job_doubts_twice_and_then_charges_when_only_this_record_fails(
    bench: job_bench.Bench, api: job_bench.Api, reason: str, answer: bytes
) -> None:
    api.answers[TIP] = answer if reason != "truncated" else _cut_short(answer)
    bench.insert(TIP, code="TA")
    seen = []
    for _ in range(3):
        row = bench.settled(TIP)
        seen.append((row["processing_status"], row["retry_count"]))
        assert row["next_retry_at"] > row["updated_at"]
        bench.again(TIP)
    assert seen == [("api_failed", 0), ("api_failed", 0), ("api_failed", 1)]
    kept = bench.errors(TIP)
    assert [one["error_details"]["reason"] for one in kept] == [reason] * 3
    assert all(len(one["error_details"].get("body_start", "")) <= 1000 for one in kept)
    assert "not charged" in kept[0]["error_message"]
    assert "not charged" not in kept[2]["error_message"]


def _cut_short(answer: bytes) -> Callable[[fault_server.Wire], None]:
    return lambda wire: wire.send(answer)


def test_job_charges_at_once_when_another_record_succeeds_meanwhile(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.answers[TIP] = fault_server.reply(b"oops", status=500)
    api.answers[GOOD] = fault_server.reply(body(tip=GOOD))
    for tip in (TIP, GOOD):
        bench.insert(tip, code="TA")
        bench.settled(tip)
    bench.beat()  # which tells the database of the success
    bench.again(TIP)
    assert bench.settled(TIP)["retry_count"] == 1


def test_job_gives_up_after_max_attempts(make_bench: Callable[..., job_bench.Bench]) -> None:
    bench = make_bench(max_attempts=2)
    bench.api.answers[TIP] = fault_server.reply(b"oops", status=500)
    bench.insert(TIP, code="TA")
    rows = []
    for _ in range(9):
        rows.append(bench.settled(TIP))
        if rows[-1]["permanently_failed"]:
            break
        bench.again(TIP)
    assert [row["retry_count"] for row in rows if row["retry_count"]][-1] == 2
    assert rows[-1]["permanently_failed"]
    assert rows[-1]["next_retry_at"] is None


def test_job_settles_as_not_found_when_the_record_is_gone(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    bench.insert(TIP)
    row = bench.settled(TIP)
    assert (row["processing_status"], row["permanently_failed"], row["retry_count"]) == (
        "not_found", False, 0,
    )  # fmt: skip
    assert api.asked(TIP) == 1
    assert bench.lease() == ()


def test_job_keeps_the_files_it_has_when_another_fails(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file("a"), records.media("b")])
    api.answers[records.hex64("b")] = fault_server.reply(b"<html>", status=200)
    bench.insert(TIP)
    while bench.settled(TIP)["retry_count"] == 0:
        bench.again(TIP)
    row = bench.row(TIP)
    assert (row["processing_status"], row["completed_attachment_count"]) == ("partial", 1)
    assert [one["attachment_status"] for one in bench.attachments(TIP)] == ["complete", "failed"]
    api.file("b")
    bench.again(TIP)
    row = bench.settled(TIP)
    assert (row["processing_status"], row["retry_count"]) == ("complete", 0)
    before = api.asked(records.hex64("a"))
    bench.execute("UPDATE noggin_data SET processing_status = 'pending'")
    assert bench.settled(TIP)["processing_status"] == "complete"
    assert api.asked(records.hex64("a")) == before


def test_job_charges_a_fault_of_the_program_only_when_it_comes_again(
    bench: job_bench.Bench, api: job_bench.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> str:
        raise ZeroDivisionError("made to fail")

    monkeypatch.setattr(text, "render", broken)
    api.record("TA", TIP)
    bench.insert(TIP, code="TA")
    seen = []
    for _ in range(2):
        row = bench.settled(TIP)
        seen.append((row["processing_status"], row["retry_count"], row["interruptions"]))
        bench.again(TIP)
    assert seen == [("failed", 0, 1), ("failed", 1, 1)]
    assert [one["error_type"] for one in bench.errors(TIP)] == ["bug", "bug"]
    assert "ZeroDivisionError: made to fail" in row["last_error_message"]
    monkeypatch.undo()
    assert bench.settled(TIP)["processing_status"] == "complete"


def test_job_hands_back_when_the_gate_stays_shut_for_longer_than_it_may_wait(
    make_bench: Callable[..., job_bench.Bench],
) -> None:
    bench = make_bench(patience_s=0.5)
    bench.api.answers[TIP] = fault_server.reply(status=429, headers={"Retry-After": "60"})
    bench.insert(TIP)
    (item,) = bench.lease()
    result = bench.run(item)
    assert isinstance(result, job.HandBack)
    assert result.reason == "paused"
    assert bench.api.asked(TIP) == 1


def test_job_ends_between_two_files_when_it_is_cancelled(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file("a"), api.file("b")])
    bench.insert(TIP)
    (item,) = bench.lease()
    bench.beat()
    result = bench.job.run(item, cancelled=lambda: api.asked(records.hex64("a")) > 0)
    assert isinstance(result, job.HandBack)
    assert result.reason == "cancelled"
    assert api.asked(records.hex64("b")) == 0
    assert not [path for path in bench.files() if path.endswith(".tmp")]
