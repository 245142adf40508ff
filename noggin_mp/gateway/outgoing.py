"""Messages to people: what one is, what became of it, and a bound on how long sending may take."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TIMEOUT_S: Final = 10.0
"""How long a server may keep silent."""
DEADLINE_S: Final = 30.0
"""How long a whole delivery may take, however the server dawdles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that goes with an e-mail; `subtype` is that of text/... or application/json."""

    filename: str
    maintype: str
    subtype: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is to be said: `text` always, `html` where it can be shown, `brief` for a chat."""

    subject: str
    text: str
    brief: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of a message on one channel: `told` says it in a sentence, `remedy` what to do.

    `later` says that the same message may get through at another time.
    """

    channel: str
    ok: bool
    told: str
    remedy: str = ""
    later: bool = False


def bounded(channel: str, send: Callable[[], Delivery], deadline_s: float = DEADLINE_S) -> Delivery:
    """The outcome of `send`, or a failure when it takes longer than `deadline_s`.

    Time-outs of sockets bound each read only; a server that drips would hold us for ever. What is
    late goes on in its thread, which dies with its socket or the process; nobody waits for it.
    """
    results: list[Delivery] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(send())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name=f"send {channel}", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if failures:
        raise failures[0]
    if results:
        return results[0]
    return Delivery(
        channel=channel,
        ok=False,
        told=f"no answer within {deadline_s:g} s",
        remedy="see whether the server is well; it may have taken the message all the same",
        later=True,
    )


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """A context that verifies certificate and host name, against `ca_file` or the system's.

    Raises: OSError when the file is unusable.
    """
    return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))


def short(text: object, limit: int = 200) -> str:
    """What a server said, on one line and not too long."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
