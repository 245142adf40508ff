"""A text file given as input: checked and hashed as a whole before a line of it is used."""

import codecs
import contextlib
import hashlib
import io
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from noggin_mp.domain import errors

STDIN: Final = "-"
_CHUNK_BYTES: Final = 1 << 20
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """An open file that decodes as a whole; `label` is its name in messages."""

    label: str
    filename: str
    size_bytes: int
    sha256: str
    encoding: str
    handle: BinaryIO

    @contextlib.contextmanager
    def lines(self) -> Iterator[io.TextIOWrapper]:
        """The file's lines from its start, with their line ends as they are."""
        self.handle.seek(0)
        text = io.TextIOWrapper(self.handle, encoding=self.encoding, newline="")
        try:
            yield text
        finally:
            text.detach()  # or closing the text would close the handle

    def check_unchanged(self) -> None:
        """Nothing, when the content still is what was hashed. Raises: InputError."""
        if _digest(self.handle) != self.sha256:
            raise errors.InputError(
                f"{self.label} changed while it was read, and nothing of it was imported",
                remedy="import it again once whoever writes it has finished",
            )

    @property
    def position(self) -> int:
        """How many bytes were read so far: for progress."""
        return self.handle.tell()


@contextlib.contextmanager
def opened(name: str, *, encoding: str | None = None) -> Iterator[TextFile]:
    """The file called `name` (`-` is standard input), after one pass over all of it.

    A byte order mark is accepted silently. What cannot be read twice (a pipe) is spooled first.

    Raises: InputError when it cannot be read or decoded; UsageError for an unknown encoding.
    """
    label = "standard input" if name == STDIN else name
    codec = _codec(encoding)
    with contextlib.ExitStack() as stack:
        try:
            handle = _seekable(name, stack)
            size, digest = _check(handle, label=label, encoding=codec, given=encoding is not None)
        except OSError as error:
            raise errors.InputError(
                f"cannot read {label}: {error.strerror or error}",
                remedy="check the name and that you may read it",
            ) from error
        yield TextFile(
            label=label,
            filename=STDIN if name == STDIN else Path(name).name,
            size_bytes=size,
            sha256=digest,
            encoding="utf-8-sig" if codec == "utf-8" else codec,
            handle=handle,
        )


def _codec(encoding: str | None) -> str:
    """The normal name of a text encoding. Raises: UsageError."""
    name = encoding or "utf-8"
    try:
        codec = codecs.lookup(name)
        "".encode(name)  # refuses codecs that do not make text, such as base64
    except LookupError as error:
        raise errors.UsageError(
            f"there is no text encoding called {name!r}", remedy="try utf-8, cp1252 or utf-16"
        ) from error
    return "utf-8" if codec.name == "utf-8-sig" else codec.name


def _seekable(name: str, stack: contextlib.ExitStack) -> BinaryIO:
    """The bytes of `name`, spooled when they come from a pipe; `stack` closes what was opened."""
    raw = sys.stdin.buffer if name == STDIN else Path(name).open("rb")  # noqa: SIM115 - next line
    stack.callback(_close_unless_stdin, raw)
    if raw.seekable():
        return raw
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
    stack.callback(spool.close)
    while chunk := raw.read(_CHUNK_BYTES):
        spool.write(chunk)
    spool.seek(0)
    return spool


def _close_unless_stdin(handle: BinaryIO) -> None:
    if handle is not sys.stdin.buffer:
        handle.close()


def _digest(handle: BinaryIO) -> str:
    handle.seek(0)
    digest = hashlib.sha256()
    while chunk := handle.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _check(handle: BinaryIO, *, label: str, encoding: str, given: bool) -> tuple[int, str]:
    """Size and sha256 of the whole file, all of which decodes. Raises: InputError."""
    handle.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    digest = hashlib.sha256()
    offset, rows, begin = 0, 1, b""
    while True:
        chunk = handle.read(_CHUNK_BYTES)
        begin = begin or chunk[:4]
        digest.update(chunk)
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeError as error:
            place = error.start if isinstance(error, UnicodeDecodeError) else 0
            held = len(error.object) - len(chunk) if isinstance(error, UnicodeDecodeError) else 0
            rows += chunk[: max(0, place - held)].count(b"\n")
            raise _undecodable(
                label, encoding, given=given, row=rows, offset=offset - held + place, begin=begin
            ) from error
        if not chunk:
            return offset, digest.hexdigest()
        rows += chunk.count(b"\n")
        offset += len(chunk)


def _undecodable(
    label: str, encoding: str, *, given: bool, row: int, offset: int, begin: bytes
) -> errors.InputError:
    shown = "UTF-8" if encoding == "utf-8" else encoding
    marked = next((name for bom, name in _BOMS if begin.startswith(bom)), None)
    if marked is not None and marked != "utf-8-sig":
        guess = marked
    else:
        guess = "utf-8" if given and encoding != "utf-8" else "cp1252"
    return errors.InputError(
        f"{label} is not {shown}: row {row}, byte {offset} cannot be decoded; nothing was imported",
        remedy=f"name the file's encoding, for example --encoding {guess}",
    )
