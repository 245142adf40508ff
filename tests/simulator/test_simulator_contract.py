"""The contract over HTTP: credentials, records, files, ranges, refusals."""

import hashlib
import json
import socket
from urllib.parse import urlsplit

import pytest

from noggin_mp.simulator import shapes
from tests.support import raw_http
from tests.support.sim import Sim

JSON = "application/json"


@pytest.mark.parametrize("code", list(shapes.load()))
def test_record_comes_with_its_own_tip_for_every_type(sim: Sim, code: str) -> None:
    number = sim.first(code)
    answer = sim.get(sim.record_path(number))
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    assert int(answer.headers["content-length"]) == len(answer.data)
    place = sim.world.place(number)
    expected = sim.world.payload(place, origin=sim.running.base_url)
    assert answer.json() == json.loads(json.dumps(expected))
    assert answer.json()["$meta"]["tip"] == sim.world.tip(number)


def test_every_file_is_what_the_truth_says(sim: Sim) -> None:
    place = sim.world.place(sim.first("SO"))
    truth = sim.running.truth(sim.world.tip(place.number))
    assert truth["exists"]
    assert truth["reference"] == sim.get(sim.record_path(place.number)).json()["siteObservationId"]
    assert len(truth["attachments"]) >= 3
    for attachment in truth["attachments"]:
        answer = sim.get(attachment["path"])
        assert answer.status == 200
        assert answer.headers["content-type"] == attachment["content_type"]
        assert len(answer.data) == attachment["size_bytes"]
        assert hashlib.sha256(answer.data).hexdigest() == attachment["sha256"]
        alone = sim.running.truth(attachment["tip"])
        assert alone["sha256"] == attachment["sha256"]
        assert alone["record_tip"] == truth["tip"]


@pytest.mark.parametrize("kind", ["record", "media"])
@pytest.mark.parametrize(
    ("authorization", "expected"),
    [(None, 401), ("Bearer wrong", 401), ("Basic {token}", 401), ("{token}", 401), ("", 401),
     ("bearer {token}", 200)],
)  # fmt: skip
def test_token_is_insisted_on(
    sim: Sim, kind: str, authorization: str | None, expected: int
) -> None:
    path = sim.record_path(sim.first("LCD")) if kind == "record" else sim.media_path()
    headers = {"en-namespace": sim.running.namespace}
    if authorization is not None:
        headers["authorization"] = authorization.replace("{token}", sim.running.token)
    answer = sim.get(path, headers=headers)
    assert answer.status == expected
    assert bool(answer.data) == (expected == 200)


@pytest.mark.parametrize("namespace", [None, "other", ""])
def test_namespace_is_insisted_on(sim: Sim, namespace: str | None) -> None:
    headers = {"authorization": f"Bearer {sim.running.token}"}
    if namespace is not None:
        headers["en-namespace"] = namespace
    for path in (sim.record_path(sim.first("TA")), sim.media_path()):
        assert sim.get(path, headers=headers).status == 403
    other = sim.media_path().replace(sim.running.namespace, "0" * 64)
    assert sim.get(other).status == 403


def test_what_is_not_there_is_404(sim: Sim) -> None:
    absent = sim.running.control("/missing")["tips"]
    assert absent == list(sim.world.missing())
    assert len(absent) == 6
    place = sim.world.find(absent[0])
    assert place is not None
    lcd, endpoint = sim.first("LCD"), sim.world.place(sim.first("CCC")).shape.endpoint
    paths = [
        sim.record_path(place.number),
        f"/rest/object/{endpoint}/{sim.world.tip(lcd)}",
        f"/rest/object/unknownType/{sim.world.tip(lcd)}",
        f"/rest/object/{endpoint}/{'0' * 64}",
        f"/rest/object/{endpoint}/",
        f"/media/file?ns={sim.running.namespace}&tip={'a' * 64}",
        f"/media/file?ns={sim.running.namespace}",
        "/",
    ]
    assert [sim.get(path).status for path in paths] == [404] * len(paths)
    truth = sim.running.truth(absent[0])
    assert (truth["exists"], truth["attachments"]) == (False, [])


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_write_verbs_are_refused_and_counted(sim: Sim, method: str) -> None:
    before = sim.running.control("/stats")["refused_methods"]
    assert sim.get(sim.record_path(0), method=method).status == 405
    assert sim.running.control("/stats")["refused_methods"] == before + 1


def test_range_gives_the_rest_when_etag_matches(sim: Sim) -> None:
    path, headers = sim.media_path(), sim.running.headers
    whole = sim.get(path)
    etag = whole.headers["etag"]
    for asked, first, last in (("bytes=100-", 100, len(whole.data) - 1), ("bytes=5-9", 5, 9)):
        part = sim.get(path, headers=headers | {"range": asked, "if-range": etag})
        assert part.status == 206
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole.data)}"
        assert part.data == whole.data[first : last + 1]
    changed = sim.get(path, headers=headers | {"range": "bytes=100-", "if-range": '"other"'})
    assert (changed.status, changed.data) == (200, whole.data)
    beyond = sim.get(path, headers=headers | {"range": "bytes=999999999-"})
    assert beyond.status == 416


def test_connection_is_kept_and_requests_may_be_pipelined(sim: Sim) -> None:
    where = urlsplit(sim.running.base_url)
    headers = "".join(f"{name}: {value}\r\n" for name, value in sim.running.headers.items())
    paths = [sim.record_path(sim.first(code)) for code in ("LCD", "TA", "SO")]
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as link:
        link.sendall("".join(f"GET {path} HTTP/1.1\r\n{headers}\r\n" for path in paths).encode())
        reader = link.makefile("rb")
        for path in paths:
            assert reader.readline() == b"HTTP/1.1 200 OK\r\n"
            sizes = [line for line in iter(reader.readline, b"\r\n") if b"Length" in line]
            body = reader.read(int(sizes[0].split(b":")[1]))
            assert json.loads(body)["$meta"]["tip"] == path.rpartition("/")[2]


def test_connection_closes_when_the_client_asks(sim: Sim) -> None:
    headers = sim.running.headers | {"connection": "close"}
    answer = sim.raw(sim.record_path(sim.first("LCD")), headers=headers, first_s=60, quiet_s=60)
    assert (answer.status, answer.end, answer.header("connection")) == (200, "closed", "close")


@pytest.mark.parametrize("request_line", ["GARBAGE", "GET /", "GET / SPDY/3"])
def test_nonsense_is_400(sim: Sim, request_line: str) -> None:
    where = urlsplit(sim.running.base_url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=60) as link:
        link.sendall(f"{request_line}\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 400 ")


def test_endless_head_is_431(sim: Sim) -> None:
    answer = raw_http.get(sim.running.base_url, "/", {"x": "y" * 70_000})
    assert answer.status == 431
