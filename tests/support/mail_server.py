"""A mail server on loopback: SMTP with STARTTLS, TLS and AUTH, and misbehaviour if asked."""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from tests.support.listener import Listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One mail as it arrived."""

    sender: str
    to: list[str]
    encrypted: bool
    account: str
    mail: EmailMessage


@dataclass(slots=True, kw_only=True)
class Behaviour:
    """What the server does; `answers` replaces its answer to a command, `hang` names a command."""

    context: ssl.SSLContext | None = None
    from_the_start: bool = False  # TLS from the first byte
    starttls: bool = True
    account: tuple[str, str] | None = None
    refused: dict[str, str] = field(default_factory=dict)  # recipient -> answer
    answers: dict[str, str] = field(default_factory=dict)
    hang: str = ""
    drop: str = ""
    drip: str = ""


class MailServer(Listener):
    """Listens on loopback; `received` holds the mails that were taken."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__()
        self.behaviour = behaviour
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.start()

    def serve(self, sock: socket.socket, number: int) -> None:
        """Take the mails of one conversation."""
        with contextlib.suppress(OSError, ssl.SSLError, _Over):
            sock.settimeout(60)
            if self.behaviour.from_the_start:
                assert self.behaviour.context is not None
                sock = self.behaviour.context.wrap_socket(sock, server_side=True)
            _Conversation(self, sock, self._stopping).run()
        sock.close()


class _Over(Exception):
    """The conversation ends."""


class _Conversation:
    def __init__(self, server: MailServer, sock: socket.socket, stopping: threading.Event) -> None:
        self._server = server
        self._be = server.behaviour
        self._sock = sock
        self._stopping = stopping
        self._file = sock.makefile("rb")
        self._encrypted = self._be.from_the_start
        self._account = ""
        self._sender, self._to = "", list[str]()

    def run(self) -> None:
        self._say("CONNECT", "220 test ESMTP")
        while True:
            line = self._line()
            verb = line.split(" ")[0].upper()
            self._server.commands.append(verb)
            getattr(self, f"_{verb.lower()}", self._unknown)(line)

    def _line(self) -> str:
        data = self._file.readline()
        if not data:
            raise _Over
        return data.decode("latin-1").rstrip("\r\n")

    def _say(self, verb: str, text: str) -> None:
        text = self._be.answers.get(verb, text)
        if self._be.drop == verb:
            raise _Over
        if self._be.hang == verb:
            self._stopping.wait()
            raise _Over
        if self._be.drip == verb:
            while not self._stopping.wait(0.1):
                self._sock.sendall(b"2")
            raise _Over
        self._sock.sendall(text.encode() + b"\r\n")

    def _unknown(self, line: str) -> None:
        self._say("", f"500 what is {line[:20]}?")

    def _ehlo(self, line: str) -> None:
        offers = []
        if self._be.starttls and not self._encrypted and self._be.context is not None:
            offers.append("STARTTLS")
        if self._be.account is not None:
            offers.append("AUTH PLAIN")
        words = ["test", *offers]
        lines = [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]
        self._say("EHLO", "\r\n".join(lines))

    def _starttls(self, line: str) -> None:
        self._say("STARTTLS", "220 go on")
        assert self._be.context is not None
        self._sock = self._be.context.wrap_socket(self._sock, server_side=True)
        self._file = self._sock.makefile("rb")
        self._encrypted = True

    def _auth(self, line: str) -> None:
        given = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        assert self._be.account is not None
        if (given[1], given[2]) == self._be.account:
            self._account = given[1]
            self._say("AUTH", "235 welcome")
        else:
            self._say("AUTH", f"535 5.7.8 no entry for {given[1]} with {given[2]}")

    def _mail(self, line: str) -> None:
        if self._be.account is not None and not self._account:
            self._say("MAIL", "530 5.7.0 log in first")
            return
        self._sender = line.partition("<")[2].partition(">")[0]
        self._to = []
        self._say("MAIL", "250 ok")

    def _rcpt(self, line: str) -> None:
        address = line.partition("<")[2].partition(">")[0]
        if address in self._be.refused:
            self._say("RCPT", self._be.refused[address])
            return
        self._to.append(address)
        self._say("RCPT", "250 ok")

    def _data(self, line: str) -> None:
        self._say("DATA", "354 go on")
        lines = []
        while (data := self._file.readline()) != b".\r\n":
            if not data:
                raise _Over
            lines.append(data[1:] if data.startswith(b"..") else data)
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        assert isinstance(mail, EmailMessage)
        if "END" not in self._be.answers:
            self._server.received.append(Received(
                sender=self._sender, to=self._to, encrypted=self._encrypted,
                account=self._account, mail=mail))  # fmt: skip
        self._say("END", "250 taken")

    def _rset(self, line: str) -> None:
        self._say("RSET", "250 ok")

    def _quit(self, line: str) -> None:
        self._say("QUIT", "221 bye")
        raise _Over


@contextlib.contextmanager
def running(**behaviour: object) -> Iterator[MailServer]:
    """A server for the length of a `with` block."""
    server = MailServer(Behaviour(**behaviour))  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.stop()
