"""TLS: verified against a private CA when one is set, and never against the environment's."""

import datetime
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noggin_mp.domain import errors, outcome
from noggin_mp.gateway import http, objects
from tests.gateway.conftest import IMPATIENT
from tests.support import fault_server, gateway

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command to make a certificate"
)
Kind = outcome.Kind


def make_certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate (with its key beside it) for the address or host `name`."""
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=test", "-addext", f"subjectAltName={kind}:{name}"),
            *("-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")),
        ],
        check=True,
        capture_output=True,
    )
    return folder / f"{name}.pem"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Certificates for the address the server has, and for another name."""
    folder = tmp_path_factory.mktemp("certificates")
    return {name: make_certificate(folder, name) for name in ("127.0.0.1", "other.example.com")}


def serving(certificate: Path) -> ssl.SSLContext:
    """A server's context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.fixture
def secure(certificates: dict[str, Path]) -> Iterator[fault_server.FaultServer]:
    """A TLS server with a certificate for its own address."""
    with fault_server.running(serving(certificates["127.0.0.1"])) as server:
        server.answers(fault_server.reply(gateway.record()))
        yield server


def fetch(client: http.Client) -> outcome.Attempt:
    """The outcome of fetching the shared TIP."""
    return objects.fetch(client, endpoint="lcd", tip=gateway.TIP).attempt


def test_fetch_succeeds_over_tls_when_the_private_ca_is_set(
    make_client: Callable[..., http.Client],
    secure: fault_server.FaultServer,
    certificates: dict[str, Path],
) -> None:
    client = make_client(base_url=secure.base_url, ca_bundle=certificates["127.0.0.1"])
    assert fetch(client).ok
    assert fetch(client).ok
    assert secure.connections == 1


def test_fetch_sends_nothing_when_the_certificate_is_unknown(
    make_client: Callable[..., http.Client],
    secure: fault_server.FaultServer,
    certificates: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates["127.0.0.1"]))
    attempt = fetch(make_client(base_url=secure.base_url))
    assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "tls_certificate")
    assert not secure.requests


def test_fetch_sends_nothing_when_the_certificate_is_for_another_host(
    make_client: Callable[..., http.Client], certificates: dict[str, Path]
) -> None:
    wrong = certificates["other.example.com"]
    with fault_server.running(serving(wrong)) as server:
        attempt = fetch(make_client(base_url=server.base_url, ca_bundle=wrong))
        assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "tls_certificate")
        assert not server.requests


def test_fetch_reports_tls_when_the_server_speaks_plain_http(
    make_client: Callable[..., http.Client],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_unasked() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                sock.recv(65536)

        thread = threading.Thread(target=answer_unasked)
        thread.start()
        port = listener.getsockname()[1]
        attempt = fetch(make_client(base_url=f"https://127.0.0.1:{port}"))
        thread.join()
    assert (attempt.kind, attempt.reason) == (Kind.CONNECT, "tls")


def test_fetch_gives_up_in_time_when_the_handshake_stalls(
    make_client: Callable[..., http.Client],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # accepts, and says nothing
        port = listener.getsockname()[1]
        patience = http.Timeouts(connect_s=0.2)
        attempt = fetch(make_client(base_url=f"https://127.0.0.1:{port}", timeouts=patience))
    assert (attempt.kind, attempt.reason) == (Kind.TIMEOUT, "connect_timeout")


def test_fetch_gives_up_in_time_when_a_tls_body_drips(
    make_client: Callable[..., http.Client],
    secure: fault_server.FaultServer,
    certificates: dict[str, Path],
) -> None:
    def drip(wire: fault_server.Wire) -> None:
        wire.send(fault_server.reply(headers={"Content-Length": "5000"}))
        wire.drip(b"{" + b" " * 5000, 0.01)

    def stall(wire: fault_server.Wire) -> None:
        wire.send(fault_server.reply(b"{", headers={"Content-Length": "5000"}))
        wire.stall()

    for reason, handler in (("too_slow", drip), ("read_timeout", stall)):
        secure.handler = handler
        client = make_client(
            base_url=secure.base_url,
            ca_bundle=certificates["127.0.0.1"],
            timeouts=IMPATIENT[reason],
        )
        assert fetch(client).reason == reason


def test_client_refuses_when_the_ca_bundle_is_none(
    make_client: Callable[..., http.Client], tmp_path: Path
) -> None:
    (tmp_path / "not.pem").write_text("no certificate")
    for bundle in (tmp_path / "missing.pem", tmp_path / "not.pem"):
        with pytest.raises(errors.ConfigError, match="CA bundle"):
            make_client(base_url="https://127.0.0.1", ca_bundle=bundle)


def test_client_takes_no_proxy_when_the_environment_names_one(
    make_client: Callable[..., http.Client],
    server: fault_server.FaultServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers(fault_server.reply(gateway.record()))
    assert fetch(make_client()).ok


def test_client_uses_its_clock_when_the_answer_is_not_dated(
    make_client: Callable[..., http.Client], server: fault_server.FaultServer
) -> None:
    now = datetime.datetime(2025, 11, 21, 12, 0, tzinfo=datetime.UTC)
    headers = {"Retry-After": "Fri, 21 Nov 2025 12:01:00 GMT"}
    server.answers(fault_server.reply(status=429, headers=headers))
    assert fetch(make_client(now=lambda: now)).retry_after_s == 60.0
