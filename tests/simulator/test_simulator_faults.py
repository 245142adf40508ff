"""Every fault, as a client meets it on the wire."""

import json
import zlib
from email.utils import parsedate_to_datetime
from fractions import Fraction
from typing import Any

import pytest
import urllib3

from noggin_mp.simulator import answers, behaviour, data, distort, faults
from tests.support.raw_http import RawAnswer
from tests.support.sim import Sim
from tests.support.wait import until


def spoilt(
    sim: Sim, kind: str, *, media: bool = False, code: str = "LCD", first_s: float = 60.0,
    between_s: float = 60.0,
) -> RawAnswer:  # fmt: skip
    """The answer to one request while every request meets `kind`."""
    sim.running.control(mode=kind)
    number = sim.first(code)
    path = sim.media_path(number) if media else sim.record_path(number)
    return sim.raw(path, first_s=first_s, between_s=between_s)


def length(answer: RawAnswer) -> int:
    return int(answer.header("content-length") or -1)


@pytest.mark.parametrize("status", ["400", "404", "408", "425", "451", "500", "502", "504", "599"])
def test_fault_status_is_empty_and_keeps_the_connection(sim: Sim, status: str) -> None:
    answer = spoilt(sim, status)
    assert (answer.status, answer.body, answer.end) == (int(status), b"", "open")


def stalled(sim: Sim, *, media: bool = False) -> tuple[RawAnswer, dict[str, Any]]:
    """The answer to a request that stalls, and its line in the log once the client has left."""
    since = sim.running.control()["log"]["bytes"]
    answer = spoilt(sim, "stall", media=media, first_s=0.3)
    [line] = until(lambda: sim.running.log(since=since), timeout_s=60, what="its line in the log")
    return answer, line


@pytest.mark.parametrize("media", [False, True])
def test_fault_stall_says_nothing_and_stays_open(sim: Sim, media: bool) -> None:
    answer, line = stalled(sim, media=media)
    assert (answer.head, answer.body, answer.end) == ("", b"", "open")
    assert line["role"] == ("media" if media else "api")


@pytest.mark.parametrize("media", [False, True])
def test_fault_stall_in_mid_body_sends_half_and_stays_open(sim: Sim, media: bool) -> None:
    def half() -> RawAnswer | None:  # head and half are two writes: a second may lie between
        answer = spoilt(sim, "stall-body", media=media, between_s=1.0)
        assert (answer.status, answer.end) == (200, "open")
        assert len(answer.body) <= length(answer) // 2
        return answer if len(answer.body) == length(answer) // 2 else None

    until(half, timeout_s=30, what="half of a body")


@pytest.mark.parametrize(("kind", "end"), [("truncate", "closed"), ("reset-body", "reset")])
@pytest.mark.parametrize("media", [False, True])
def test_fault_in_mid_body_sends_half(sim: Sim, kind: str, end: str, media: bool) -> None:
    answer = spoilt(sim, kind, media=media)
    if end != "reset" or answer.head:  # a reset may overtake what was sent before it
        assert answer.status == 200
        assert len(answer.body) <= length(answer) // 2
    if end != "reset":
        assert len(answer.body) == length(answer) // 2
    assert answer.end == end


def test_fault_reset_comes_instead_of_an_answer(sim: Sim) -> None:
    answer = spoilt(sim, "reset")
    assert (answer.head, answer.end) == ("", "reset")


@pytest.mark.parametrize(("kind", "lie", "end"), [("wronglength", 17, "closed"),
                                                  ("shortlength", -7, "open")])  # fmt: skip
@pytest.mark.parametrize("media", [False, True])
def test_fault_length_lies(sim: Sim, kind: str, lie: int, end: str, media: bool) -> None:
    answer = spoilt(sim, kind, media=media)
    assert length(answer) == len(answer.body) + lie
    assert answer.end == end


def test_fault_nolength_ends_by_closing(sim: Sim) -> None:
    answer = spoilt(sim, "nolength", media=True)
    assert answer.header("content-length") is None
    assert (answer.end, answer.header("connection")) == ("closed", "close")
    assert (
        answer.body == sim.world.attachments(sim.world.place(sim.first("LCD")))[0].photo.content()
    )


@pytest.mark.parametrize("media", [False, True])
def test_fault_html_has_status_200(sim: Sim, media: bool) -> None:
    answer = spoilt(sim, "html", media=media)
    assert (answer.status, answer.header("content-type")) == (200, "text/html")
    assert answer.body == distort.HTML


def test_fault_empty_and_zero_send_nothing(sim: Sim) -> None:
    empty = spoilt(sim, "empty")
    assert (empty.status, empty.body, length(empty)) == (200, b"", 0)
    assert empty.header("content-type") is None
    zero = spoilt(sim, "zero", media=True)
    assert (zero.status, zero.body, length(zero)) == (200, b"", 0)
    assert str(zero.header("content-type")).startswith("image/")


def test_fault_drip_sends_a_few_bytes_at_a_time(sim: Sim) -> None:
    sim.running.control(mode="drip", drip_bytes_per_s=40)
    answer = sim.raw(sim.record_path(sim.first("LCD")), first_s=60, between_s=60, limit=12)
    assert answer.status == 200
    assert 12 <= len(answer.body) <= 40
    assert length(answer) > 900


def test_fault_nul_puts_a_nul_into_text(sim: Sim) -> None:
    for code in ("LCD", "LCS", "CCC", "FPI", "SO", "TA"):
        answer = spoilt(sim, "nul", code=code)
        assert rb"\u0000" in answer.body
        assert any("\x00" in str(value) for value in json.loads(answer.body).values())


def test_fault_wrongtip_names_another(sim: Sim) -> None:
    answer = spoilt(sim, "wrongtip")
    other = json.loads(answer.body)["$meta"]["tip"]
    assert len(other) == 64
    assert other != sim.world.tip(sim.first("LCD"))


def test_fault_array_and_oversize_are_json(sim: Sim) -> None:
    assert isinstance(json.loads(spoilt(sim, "array").body), list)
    oversize = spoilt(sim, "oversize")
    assert len(oversize.body) > 20 * 1024 * 1024
    assert "$meta" in json.loads(oversize.body)


def test_fault_duplicate_lists_the_first_file_twice(sim: Sim) -> None:
    body = json.loads(spoilt(sim, "duplicate").body)
    assert body["attachments"][0] == body["attachments"][-1]
    assert len(body["attachments"]) >= 2


def test_fault_foreign_lists_another_origin_that_notes_tokens(sim: Sim) -> None:
    body = json.loads(spoilt(sim, "foreign").body)
    url = body["attachments"][-1]
    assert url.startswith("http://localhost:")
    sim.running.control(mode="ok")
    before = sim.running.control("/stats")
    assert sim.running.http.request("GET", url).status == 200
    after = sim.running.control("/stats")
    assert after["foreign"] == before["foreign"] + 1
    assert after["foreign_with_token"] == before["foreign_with_token"]
    sim.running.http.request("GET", url, headers=sim.running.headers)
    assert sim.running.control("/stats")["foreign_with_token"] == before["foreign_with_token"] + 1


def test_fault_redirects_point_to_self_and_elsewhere(sim: Sim) -> None:
    here = spoilt(sim, "redirect-self")
    assert (here.status, here.header("location")) == (302, sim.record_path(sim.first("LCD")))
    there = spoilt(sim, "redirect-other", media=True)
    location = str(there.header("location"))
    assert location.startswith("http://localhost:")
    sim.running.control(mode="ok")
    assert sim.running.http.request("GET", location).status == 200


def test_fault_gzipbomb_unpacks_to_128_mib(sim: Sim) -> None:
    answer = spoilt(sim, "gzipbomb")
    assert answer.header("content-encoding") == "gzip"
    assert len(answer.body) < 1 << 20
    unpacker, total = zlib.decompressobj(31), 0
    for at in range(0, len(answer.body), 4096):
        total += len(unpacker.decompress(answer.body[at : at + 4096]))
    assert total == 128 << 20
    assert unpacker.eof


def test_fault_brokengzip_cannot_be_unpacked(sim: Sim) -> None:
    sim.running.control(mode="brokengzip")
    with pytest.raises(urllib3.exceptions.DecodeError):
        sim.get(sim.record_path(sim.first("LCD")))


def test_fault_lying206_gives_the_first_half_as_the_second(sim: Sim) -> None:
    answer = spoilt(sim, "lying206", media=True)
    whole = sim.world.attachments(sim.world.place(sim.first("LCD")))[0].photo.content()
    assert answer.status == 206
    assert answer.body == whole[: len(whole) // 2]
    start = len(whole) - len(whole) // 2
    assert answer.header("content-range") == f"bytes {start}-{len(whole) - 1}/{len(whole)}"


def test_fault_chunkedgarbage_breaks_a_careful_client(sim: Sim) -> None:
    sim.running.control(mode="chunkedgarbage")
    with pytest.raises(urllib3.exceptions.ProtocolError):
        sim.get(sim.media_path())


def test_fault_hugeheader_breaks_a_careful_client(sim: Sim) -> None:
    answer = spoilt(sim, "hugeheader")
    assert len(answer.head) > 200_000
    with pytest.raises(urllib3.exceptions.HTTPError):
        sim.get(sim.record_path(sim.first("LCD")))


@pytest.mark.parametrize("style", ["seconds", "date", "nonsense", "none"])
def test_fault_429_uses_the_configured_style(sim: Sim, style: str) -> None:
    sim.running.control(faults="429=100%", max_faults_per_tip=0, retry_after_styles=style,
                        retry_after_max_s=1)  # fmt: skip
    for _ in range(4):
        answer = sim.get(sim.record_path(sim.first("LCD")))
        value = answer.headers.get("retry-after")
        assert answer.status == 429
        if style == "seconds":
            assert value in ("0", "1")
        elif style == "date":
            assert parsedate_to_datetime(str(value)).tzinfo is not None
        else:
            assert value == ("in a while" if style == "nonsense" else None)


@pytest.mark.parametrize("kind", [*faults.KINDS, "500"])
def test_every_fault_changes_a_record_or_a_file(kind: str) -> None:
    world = data.World(tips=1, missing=Fraction(0))
    place = world.place(0)
    honest = [
        answers.record(world.body(place)),
        answers.photo(world.attachments(place)[0].photo),
    ]
    scene = distort.Scene(
        target="/t",
        foreign="http://localhost:1",
        conduct=behaviour.Behaviour(token="t", namespace="n"),
        draw=0.5,
        now=0.0,
    )
    changed = [distort.distort(kind, answer, scene) != answer for answer in honest]
    assert changed == [True, kind not in faults.RECORDS_ONLY]


def test_mix_never_spoils_a_record_for_ever(sim: Sim) -> None:
    sim.running.control(faults="500=100%", max_faults_per_tip=3)
    path, file = sim.record_path(sim.first("LCD")), sim.media_path(sim.first("LCD"))
    statuses = [sim.get(path).status for _ in range(2)] + [sim.get(file).status for _ in range(4)]
    assert statuses == [500, 500, 500, 200, 200, 200]
    sim.running.control(faults="500=100%")
    assert sim.get(path).status == 500


def test_mix_hits_only_the_role_it_names(sim: Sim) -> None:
    sim.running.control(faults="media.html=100%", max_faults_per_tip=0)
    assert sim.get(sim.record_path(sim.first("LCD"))).headers["content-type"] == "application/json"
    assert sim.get(sim.media_path()).headers["content-type"] == "text/html"


def test_mix_leaves_refusals_alone(sim: Sim) -> None:
    sim.running.control(faults="500=100%", max_faults_per_tip=0)
    assert sim.get(sim.record_path(0), headers={}).status == 401


def test_mix_comes_as_often_as_asked(sim: Sim) -> None:
    sim.running.control(faults="500=20%,html=10%", max_faults_per_tip=0)
    before = sim.running.control("/stats")
    for _ in range(600):
        sim.get(sim.record_path(sim.first("LCD")))
    after = sim.running.control("/stats")
    # Five standard deviations either way.
    assert 70 <= after["by_status"]["500"] - before["by_status"].get("500", 0) <= 170
    assert 20 <= after["by_fault"]["html"] - before["by_fault"].get("html", 0) <= 100


def test_stalled_connection_is_noticed_when_the_client_leaves(sim: Sim) -> None:
    _, line = stalled(sim)
    assert (line["fault"], line["aborted"], line["status"]) == ("stall", True, 0)
    until(lambda: sim.running.control("/stats")["in_flight"] == 0, timeout_s=60, what="its end")
