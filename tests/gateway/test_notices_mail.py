"""E-mail through a real server on loopback: encrypted and verified or not at all, faults told."""

import shutil
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noggin_mp.gateway import mail, outgoing
from noggin_mp.gateway.outgoing import Attachment, Message
from tests.support import certificates, mail_server

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="needs the openssl command to make a certificate"
)
ACCOUNT = ("noggin", 'pass w"rd$')
MESSAGE = Message(
    subject="daily report é 7 complete\nBcc: everybody@example.com",
    text="seven records\n.\nfrom Perth é done",
    html="<p>seven <b>records</b></p>",
    attachments=(
        Attachment(filename="r.json", maintype="application", subtype="json", content='{"a": "é"}'),
    ),
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the address of the server."""
    return certificates.make(tmp_path_factory.mktemp("mail"), "127.0.0.1")


def to(server: mail_server.MailServer, **changes: Any) -> mail.Server:
    """The settings that lead to `server`."""
    plain: dict[str, Any] = {
        "host": "127.0.0.1", "port": server.port, "security": "none",
        "sender": "Noggin <noggin@example.com>", "to": ("ops@example.com",), "timeout_s": 25.0,
    }  # fmt: skip
    return mail.Server(**(plain | changes))


@pytest.fixture
def secure(certificate: Path) -> Iterator[mail_server.MailServer]:
    """A server with STARTTLS that wants a log-in."""
    with mail_server.running(context=certificates.serving(certificate), account=ACCOUNT) as server:
        yield server


def test_mail_arrives_whole_over_starttls_with_a_log_in(
    secure: mail_server.MailServer, certificate: Path
) -> None:
    done = mail.send(
        to(secure, security="starttls", username=ACCOUNT[0], password=ACCOUNT[1],
           ca_file=certificate, to=("ops@example.com", "Boss <boss@example.com>")),
        MESSAGE,
    )  # fmt: skip

    (got,) = secure.received
    assert done.ok, done
    assert done.told.startswith("sent to ops@example.com, boss@example.com through 127.0.0.1:")
    assert (got.encrypted, got.account, got.sender) == (True, "noggin", "noggin@example.com")
    assert got.to == ["ops@example.com", "boss@example.com"]
    assert got.mail["Subject"] == "daily report é 7 complete Bcc: everybody@example.com"
    assert got.mail["Bcc"] is None
    assert got.mail["Date"]
    assert got.mail["Message-ID"].endswith("@example.com>")
    text, html = got.mail.get_body(("plain",)), got.mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == MESSAGE.text + "\n"
    assert html.get_content().strip() == MESSAGE.html
    (attached,) = got.mail.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == (
        "r.json", '{"a": "é"}'.encode(),
    )  # fmt: skip
    assert secure.commands.index("STARTTLS") < secure.commands.index("AUTH")


def test_mail_arrives_over_tls_from_the_first_byte(certificate: Path) -> None:
    with mail_server.running(
        context=certificates.serving(certificate), from_the_start=True
    ) as server:
        assert mail.send(to(server, security="tls", ca_file=certificate), MESSAGE).ok
        assert [one.encrypted for one in server.received] == [True]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_nothing_is_sent_to_a_server_whose_certificate_is_not_trusted(
    certificate: Path, security: str
) -> None:
    with mail_server.running(
        context=certificates.serving(certificate),
        from_the_start=security == "tls",
        account=ACCOUNT,
    ) as server:
        done = mail.send(to(server, security=security, username="u", password="p"), MESSAGE)

    assert (done.ok, "certificate" in done.told, "notify.ca_file" in done.remedy) == (
        False, True, True,
    )  # fmt: skip
    assert not {"AUTH", "MAIL"} & set(server.commands)


def test_nothing_is_sent_in_the_clear_when_starttls_is_missing() -> None:
    with mail_server.running(account=ACCOUNT) as server:
        done = mail.send(to(server, security="starttls", username="u", password="p"), MESSAGE)

    assert "does not offer STARTTLS" in done.told
    assert not {"AUTH", "MAIL"} & set(server.commands)


def test_a_refused_log_in_is_told_without_the_password(
    secure: mail_server.MailServer, certificate: Path
) -> None:
    done = mail.send(
        to(secure, security="starttls", ca_file=certificate, username="u", password="hunter-22"),
        MESSAGE,
    )
    assert "refuses the log-in: 535" in done.told
    assert "hunter-22" not in repr(done)
    assert (done.later, secure.received) == (False, [])


REFUSED = {"a@example.com": "550 5.1.1 no such user"}


@pytest.mark.parametrize(
    ("behaviour", "told", "later"),
    [
        ({"refused": REFUSED}, "but not for a@example.com (550 5.1.1 no such user)", False),
        ({"refused": REFUSED | {"b@example.com": "550 no"}}, "refuses every recipient", False),
        ({"refused": {"a@example.com": "450 later", "b@example.com": "451 later"}},
         "refuses every recipient", True),
        ({"answers": {"MAIL": "553 not yours"}}, "refuses the sender: 553 not yours", False),
        ({"answers": {"END": "552 too big"}}, "refuses the message: 552 too big", False),
        ({"answers": {"END": "451 greylisted"}}, "refuses the message: 451 greylisted", True),
        ({"answers": {"CONNECT": "554 go away"}}, "refuses the message: 554 go away", False),
        ({"answers": {"CONNECT": "HTTP/1.1 400 Bad Request"}}, "is no mail server", False),
        ({"drop": "DATA"}, "closed the connection", True),
        ({"hang": "EHLO"}, "did not answer within 0.5 s", True),
        ({"hang": "END"}, "did not answer within 0.5 s", True),
    ],
)  # fmt: skip
def test_faults_of_the_server_are_told(behaviour: dict[str, Any], told: str, later: bool) -> None:
    patience_s = 0.5 if "hang" in behaviour else 25.0  # who answers may be slow about it
    with mail_server.running(**behaviour) as server:
        given = to(server, to=("a@example.com", "b@example.com"), timeout_s=patience_s)
        done = mail.send(given, MESSAGE)

    assert (done.ok, done.later) == (False, later), done
    assert told in done.told
    assert done.remedy


def test_a_farewell_that_hangs_does_not_undo_what_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quit_ = smtplib.SMTP.quit

    def hurried(smtp: smtplib.SMTP) -> Any:
        assert smtp.sock is not None
        smtp.sock.settimeout(0.3)
        return quit_(smtp)

    monkeypatch.setattr(smtplib.SMTP, "quit", hurried)
    with mail_server.running(hang="QUIT") as server:
        done = mail.send(to(server), MESSAGE)
    assert (done.ok, len(server.received)) == (True, 1)


def test_a_server_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing.bounded, "__defaults__", (1.0,))
    with mail_server.running(drip="CONNECT") as server:
        done = mail.send(to(server), MESSAGE)

    assert (done.ok, "no answer within 1 s" in done.told) == (False, True)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers
        port = taken.getsockname()[1]
        server = mail.Server(
            host="127.0.0.1", port=port, security="none", sender="a@b", to=("c@d",), timeout_s=2
        )
        done = mail.send(server, MESSAGE)
    assert (done.told, done.later) == (
        f"127.0.0.1:{port} cannot be reached: Connection refused", True,
    )  # fmt: skip


def test_tls_on_a_plain_port_is_told() -> None:
    with mail_server.running() as server:
        done = mail.send(to(server, security="tls"), MESSAGE)
    assert (done.ok, "does not speak TLS" in done.told or "closed" in done.told) == (False, True)


def test_a_certificate_file_that_is_missing_is_told(
    secure: mail_server.MailServer, tmp_path: Path
) -> None:
    done = mail.send(to(secure, security="starttls", ca_file=tmp_path / "none.pem"), MESSAGE)
    assert not done.ok
    assert "notify.ca_file" in done.remedy


def test_a_password_that_smtp_cannot_carry_is_told(
    secure: mail_server.MailServer, certificate: Path
) -> None:
    server = to(secure, security="starttls", ca_file=certificate, username="u", password="pä55")
    done = mail.send(server, MESSAGE)
    assert (done.ok, "ASCII" in done.told, "pä55" in repr(done)) == (False, True, False)
