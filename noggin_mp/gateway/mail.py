"""One e-mail through one SMTP server: verified TLS, a log-in, every fault a sentence."""

import contextlib
import functools
import smtplib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path
from typing import Final

from noggin_mp.domain import redaction
from noggin_mp.gateway import outgoing
from noggin_mp.gateway.outgoing import Delivery, Message

CHANNEL: Final = "email"
_LATER: Final = range(400, 500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where mail goes, and from whom to whom. `security` is starttls, tls or none."""

    host: str
    port: int
    security: str
    sender: str
    to: tuple[str, ...]
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout_s: float = outgoing.TIMEOUT_S


def send(server: Server, message: Message) -> Delivery:
    """What became of `message`; never raises for what a server or a network does."""
    try:
        return outgoing.bounded(CHANNEL, functools.partial(_send, server, message))
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return _failed(server, error)


def compose(server: Server, message: Message) -> EmailMessage:
    """The message as it goes on the wire: text, its HTML alternative, attachments."""
    mail = EmailMessage()
    mail["Subject"] = outgoing.short(message.subject, 180)
    mail["From"] = server.sender
    mail["To"] = ", ".join(server.to)
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = make_msgid(domain=parseaddr(server.sender)[1].rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # keeps out-of-office answers away (RFC 3834)
    mail.set_content(message.text)
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    for one in message.attachments:
        mail.add_attachment(
            one.content.encode("utf-8"),
            maintype=one.maintype,
            subtype=one.subtype,
            filename=one.filename,
        )
    return mail


def _send(server: Server, message: Message) -> Delivery:
    mail = compose(server, message)
    with _session(server) as smtp:
        if server.username:
            smtp.login(server.username, server.password)
        addresses = [parseaddr(one)[1] for one in server.to]
        refused = smtp.send_message(mail, to_addrs=addresses)
    where = f"{server.host}:{server.port}"
    if refused:
        return Delivery(
            channel=CHANNEL,
            ok=False,
            told=f"{where} took it for {len(addresses) - len(refused)} of {len(addresses)}"
            f" recipients, but not for {_refusals(refused)}",
            remedy="correct notify.email.to",
        )
    return Delivery(
        channel=CHANNEL, ok=True, told=f"sent to {', '.join(addresses)} through {where}"
    )


@contextlib.contextmanager
def _session(server: Server) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted as the settings want it, or none at all."""
    # Without a name of ours smtplib asks DNS for one, which may take very long.
    name = socket.gethostname()
    smtp: smtplib.SMTP
    if server.security == "tls":
        context = outgoing.trust(server.ca_file)
        smtp = smtplib.SMTP_SSL(
            server.host, server.port, name, timeout=server.timeout_s, context=context
        )
    else:
        smtp = smtplib.SMTP(server.host, server.port, name, timeout=server.timeout_s)
    try:
        if server.security == "starttls":
            smtp.starttls(context=outgoing.trust(server.ca_file))
        yield smtp
        with contextlib.suppress(OSError, smtplib.SMTPException):
            smtp.quit()  # the message is taken already
    finally:
        smtp.close()


def _failed(server: Server, error: Exception) -> Delivery:
    told, remedy, later = _explained(server, error)
    return Delivery(
        channel=CHANNEL,
        ok=False,
        told=redaction.scrub(told, [server.password]),
        remedy=remedy,
        later=later,
    )


def _explained(server: Server, error: Exception) -> tuple[str, str, bool]:
    """What happened, what to do, and whether it may pass by itself."""
    where = f"{server.host}:{server.port}"
    if isinstance(error, smtplib.SMTPResponseException):
        return _answered(where, error)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        refusals = _refusals(error.recipients)
        later = all(code in _LATER for code in codes)
        return f"{where} refuses every recipient: {refusals}", "correct notify.email.to", later
    if isinstance(error, smtplib.SMTPNotSupportedError):
        if server.security == "starttls" and "STARTTLS" in str(error):
            remedy = "set notify.email.security to tls (port 465), or to none within one machine"
            return f"{where} does not offer STARTTLS", remedy, False
        return f"{where}: {outgoing.short(error)}", "see what the mail server offers", False
    if isinstance(error, smtplib.SMTPServerDisconnected):
        if isinstance(error.__context__, TimeoutError):  # how smtplib tells a silent server
            return _unreached(server, where, error.__context__)
        remedy = "see the mail server's log, and notify.email.security"
        return f"{where} closed the connection", remedy, True
    if isinstance(error, UnicodeEncodeError):
        remedy = "use an account whose name and password are plain ASCII"
        return "the mail log-in cannot be written in ASCII, as SMTP wants it", remedy, False
    return _unreached(server, where, error)


def _answered(where: str, error: smtplib.SMTPResponseException) -> tuple[str, str, bool]:
    if error.smtp_code < 0:
        said = outgoing.short(error.smtp_error, 80)
        return f"{where} is no mail server: {said}", "correct notify.email.host and port", False
    said = f"{error.smtp_code} {outgoing.short(error.smtp_error)}"
    later = error.smtp_code in _LATER
    if isinstance(error, smtplib.SMTPAuthenticationError):
        remedy = "correct notify.email.username and its password"
        return f"{where} refuses the log-in: {said}", remedy, later
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"{where} refuses the sender: {said}", "correct notify.email.from", later
    remedy = "try again later" if later else "see what the mail server's owner says"
    return f"{where} refuses the message: {said}", remedy, later


def _unreached(server: Server, where: str, error: Exception) -> tuple[str, str, bool]:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = "name the authority's file in notify.ca_file, or correct notify.email.host"
        return f"the certificate of {where} is not valid: {error.verify_message}", remedy, False
    if isinstance(error, ssl.SSLError):
        remedy = "see notify.email.port and security: 465 is tls, 587 is starttls"
        return f"{where} does not speak TLS as wanted: {outgoing.short(error)}", remedy, False
    if isinstance(error, TimeoutError):
        remedy = "see notify.email.host, port and security, and the firewall"
        return f"{where} did not answer within {server.timeout_s:g} s", remedy, True
    if isinstance(error, socket.gaierror):
        return f"the host {server.host} is not known", "correct notify.email.host", True
    if isinstance(error, OSError):
        why = error.strerror or outgoing.short(error)
        remedy = "see notify.email.host and port, and notify.ca_file if it is set"
        return f"{where} cannot be reached: {why}", remedy, True
    return f"{where}: {outgoing.short(error)}", "see notify.email", False


def _refusals(refused: dict[str, tuple[int, bytes]]) -> str:
    return ", ".join(
        f"{address} ({code} {outgoing.short(said, 80)})"
        for address, (code, said) in refused.items()
    )
