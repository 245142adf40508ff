"""One TIP from lease to files, against an API that a test decides and a real database."""

import datetime
import hashlib
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.worker import job, text
from tests.support import fault_server, job_bench, records

TIP = records.hex64("record")
OTHER = records.hex64("another record")


def test_job_completes_a_record_with_its_files_and_text(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file("a"), api.file("b")])
    bench.insert(TIP)
    row = bench.settled(TIP)
    assert (row["processing_status"], row["retry_count"], row["permanently_failed"]) == (
        "complete", 0, False,
    )  # fmt: skip
    assert row["inspection_date"] == datetime.date(2025, 10, 23)  # the local day, not UTC's
    assert (row["total_attachments"], row["all_attachments_complete"]) == (2, True)
    files = bench.files()
    folder = "2025/10/2025-10-23 LCD - 777777/LCD - 777777"
    assert sorted(files) == [
        f"{folder}_20251023_photo_001.jpg",
        f"{folder}_20251023_photo_002.jpg",
        f"{folder}_inspection_data.txt",
    ]
    for found in bench.attachments(TIP):
        content = Path(found["file_path"]).read_bytes()
        assert found["file_hash_sha256"] == hashlib.sha256(content).hexdigest()
        assert found["file_size_bytes"] == len(content)
    assert bench.samples()['noggin_attachments_total{outcome="published",worker="0"}'] == 2


def test_job_asks_once_when_a_record_lists_a_file_twice(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    same = api.file("same")
    api.record("LCD", TIP, attachments=[same, same], loaderPhotoAttachment=[same, api.file("b")])
    bench.insert(TIP)
    assert bench.settled(TIP)["total_attachments"] == 2
    assert api.asked(records.hex64("same")) == 1
    assert [found["attachment_sequence"] for found in bench.attachments(TIP)] == [1, 2]


def test_job_gives_29_attachments_names_of_their_own(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    urls = [api.file(f"photo {number}") for number in range(29)]
    api.record("SO", TIP, attachments1=urls[:10], attachments2=urls[10:20], attachments3=urls[20:])
    bench.insert(TIP, code="SO")
    row = bench.settled(TIP)
    assert (row["processing_status"], row["completed_attachment_count"]) == ("complete", 29)
    found = bench.attachments(TIP)
    assert len({one["file_hash_sha256"] for one in found}) == 29
    assert len({one["file_path"] for one in found}) == 29
    assert len(bench.files()) == 30


def test_job_hands_back_uncharged_when_the_token_is_refused_in_mid_record(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file(name) for name in "abc"])
    api.answers[records.hex64("b")] = fault_server.reply(status=401)
    bench.insert(TIP)
    (item,) = bench.lease()
    result = bench.run(item)
    assert isinstance(result, job.HandBack)
    assert (result.reason, result.trouble) == ("auth_stop", None)
    assert (api.asked(records.hex64("b")), api.asked(records.hex64("c"))) == (1, 0)
    bench.buffer.add_all([result])
    bench.buffer.flush(force=True)
    row = bench.row(TIP)
    assert (row["processing_status"], row["retry_count"], row["gen"]) == ("pending", 0, item.gen)
    assert bench.rows("SELECT tip, gen FROM ready") == [{"tip": TIP, "gen": item.gen}]
    assert bench.rows("SELECT token FROM lease") == []


def test_job_waits_and_completes_when_it_is_throttled_in_mid_record(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    answer = api.answers[records.hex64("b")] = fault_server.reply(
        status=429, headers={"Retry-After": "1"}
    )
    urls = [api.file("a"), records.media("b")]

    def throttled(wire: fault_server.Wire) -> None:
        api.file("b")  # from now on
        wire.answer(answer)

    api.record("LCD", TIP, attachments=urls)
    api.answers[records.hex64("b")] = throttled
    bench.insert(TIP)
    row = bench.settled(TIP)
    assert (row["processing_status"], row["retry_count"]) == ("complete", 0)
    assert [api.asked(records.hex64(name)) for name in "ab"] == [1, 2]
    assert bench.samples()['noggin_gate_wait_seconds_total{scope="127.0.0.1:media",worker="0"}'] > 0


def test_job_makes_a_dead_letter_when_an_attachment_lies_elsewhere(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    with fault_server.running() as foreign:
        url = f"{foreign.base_url}/media/file?ns=x&tip={records.hex64('foreign')}"
        api.record("LCD", TIP, attachments=[api.file("a"), url])
        bench.insert(TIP)
        row = bench.settled(TIP)
        assert foreign.connections == 0
    assert (row["processing_status"], row["permanently_failed"], row["retry_count"]) == (
        "partial", True, 0,
    )  # fmt: skip
    assert [one["attachment_status"] for one in bench.attachments(TIP)] == ["complete", "failed"]
    assert bench.errors(TIP)[0]["error_details"]["reason"] == "foreign_url"
    assert bench.samples()['noggin_attachments_total{outcome="refused",worker="0"}'] == 1


def test_job_makes_a_dead_letter_when_an_attachment_is_gone(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file("a"), records.media("gone")])
    bench.insert(TIP)
    row = bench.settled(TIP)
    assert (row["processing_status"], row["permanently_failed"], row["next_retry_at"]) == (
        "partial", True, None,
    )  # fmt: skip
    assert [one["attachment_status"] for one in bench.attachments(TIP)] == ["complete", "not_found"]
    assert bench.lease() == ()


def test_job_overwrites_no_file_when_the_order_of_attachments_changes(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    urls = {name: api.file(name) for name in "abc"}
    api.record("LCD", TIP, attachments=[urls["a"], urls["b"]])
    bench.insert(TIP)
    bench.settled(TIP)
    first = {one["attachment_tip"]: one["file_hash_sha256"] for one in bench.attachments(TIP)}
    api.record("LCD", TIP, attachments=[urls["c"], urls["b"], urls["a"]])
    bench.execute("UPDATE noggin_data SET processing_status = 'pending'")
    assert bench.settled(TIP)["processing_status"] == "complete"
    found = bench.attachments(TIP)
    assert [one["attachment_tip"] for one in found] == [records.hex64(name) for name in "cba"]
    assert len({one["file_path"] for one in found}) == 3
    for one in found:
        content = hashlib.sha256(Path(one["file_path"]).read_bytes()).hexdigest()
        assert content == one["file_hash_sha256"]
        assert first.get(one["attachment_tip"], content) == content
    assert [api.asked(records.hex64(name)) for name in "abc"] == [1, 1, 1]  # what is there is kept


def test_job_keeps_two_records_apart_when_they_would_share_a_folder(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    for tip, name in ((TIP, "a"), (OTHER, "b")):  # the same id, the same day
        api.record("LCD", tip, attachments=[api.file(name)])
        bench.insert(tip)
        assert bench.settled(tip)["processing_status"] == "complete"
    (mine,), (theirs,) = bench.attachments(TIP), bench.attachments(OTHER)
    assert Path(mine["file_path"]).parent != Path(theirs["file_path"]).parent
    assert OTHER[:8] in str(Path(theirs["file_path"]).parent)
    assert len(bench.files()) == 4


def test_job_files_a_record_under_unknown_when_it_has_no_date(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, date=None, attachments=[api.file("a")])
    bench.insert(TIP)
    assert bench.settled(TIP)["inspection_date"] is None
    assert all(path.startswith("unknown_year/unknown_month/unknown_date") for path in bench.files())


def test_job_makes_a_dead_letter_without_a_request_when_the_type_is_unknown(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    bench.insert(TIP, code="XYZ", type_="Something new")
    row = bench.settled(TIP)
    assert (row["permanently_failed"], row["processing_status"]) == (True, "failed")
    assert [one["error_type"] for one in bench.errors(TIP)] == ["unknown_type"]
    assert api.server.requests == []


def test_job_finds_the_type_by_its_name_when_there_is_no_code(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("TA", TIP)
    bench.insert(TIP, code=None, type_="Trailer Audits")
    assert bench.settled(TIP)["object_code"] == "TA"


def test_job_blocks_its_worker_when_there_is_no_token(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    def no_token() -> str:
        raise errors.CredentialsError("the token file is gone")

    bench.token = no_token
    bench.insert(TIP)
    (item,) = bench.lease()
    result = bench.run(item)
    assert isinstance(result, job.HandBack)
    assert (result.reason, str(result.trouble)) == ("auth_stop", "the token file is gone")
    assert api.server.requests == []


def test_job_hands_back_uncharged_when_the_database_is_away(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file("a")])
    bench.insert(TIP)
    (item,) = bench.lease()
    answer = api.answers[TIP]
    assert isinstance(answer, bytes)

    def cut(wire: fault_server.Wire) -> None:
        bench.pool.close()
        wire.answer(answer)

    api.answers[TIP] = cut
    bench.beat()
    result = bench.job.run(item, cancelled=lambda: False)
    assert isinstance(result, job.HandBack)
    assert result.reason == "database"


def test_job_hands_back_with_the_trouble_when_the_output_folder_is_gone(
    bench: job_bench.Bench, api: job_bench.Api
) -> None:
    api.record("LCD", TIP, attachments=[api.file("a")])
    bench.insert(TIP)
    bench.output.rmdir()
    bench.output.write_text("in the way")
    (item,) = bench.lease()
    result = bench.run(item)
    assert isinstance(result, job.HandBack)
    assert isinstance(result.trouble, errors.PathUnusable)
    assert api.asked(records.hex64("a")) == 0


def test_job_charges_one_record_when_the_template_fails_on_it(
    bench: job_bench.Bench, api: job_bench.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> str:
        raise errors.ConfigError("the text template x fails: 'y' is undefined")

    monkeypatch.setattr(text, "render", fails)
    api.record("LCD", TIP)
    bench.insert(TIP)
    row = bench.settled(TIP)
    assert (row["processing_status"], row["retry_count"]) == ("failed", 1)
    assert row["last_error_message"] == "the text template x fails: 'y' is undefined"
