"""A file in the making: a `.tmp` beside its place, which becomes the file whole or not at all."""

import hashlib
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self

from noggin_mp.gateway import trouble

FILE_MODE = 0o640
NAME_BYTES = 255
_TOKEN = re.compile(r"[0-9A-Za-z_-]{1,64}")
TEMP_NAME = re.compile(r"\..+\.([0-9A-Za-z_-]{1,64})\.tmp")
"""What our partial files are called; group 1 is the token."""

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def temp_name(name: str, token: int | str) -> str:
    """`.<name>.<token>.tmp`, shortened (and still unique) where it would be over 255 bytes."""
    if not _TOKEN.fullmatch(str(token)):
        raise ValueError(f"{token!r} cannot be part of a file name")
    ending = f".{token}.tmp"
    room = NAME_BYTES - 1 - len(ending)
    raw = os.fsencode(check_name(name))
    if len(raw) > room:
        digest = hashlib.sha256(raw).hexdigest()[:12]
        name = raw[: room - 13].decode(errors="ignore") + "~" + digest
    return f".{name}{ending}"


def check_name(name: str) -> str:
    """`name`, when it can name a file inside a folder. Raises: ValueError."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no file name")
    if len(os.fsencode(name)) > NAME_BYTES:
        raise ValueError(f"the file name {name[:40]!r}... is over {NAME_BYTES} bytes")
    return name


class Partial:
    """A temporary file in `folder`, written, then published under its name, or discarded.

    As a context manager it leaves nothing behind unless it was published; only a crash leaves the
    `.tmp`. `token` is the lease's, so that a sweep can tell whose it is.
    Raises: errors.DiskFull, errors.PathUnusable, from every method.
    """

    def __init__(self, folder: Path, name: str, token: int | str) -> None:
        self.folder = folder
        self._temp = temp_name(name, token)
        self._fd: int | None = None
        try:
            self._folder_fd = os.open(folder, _FOLDER_FLAGS)
        except OSError as error:
            raise trouble.local(error, folder, doing="open folder") from error
        try:
            self._fd = self._create()
        except OSError as error:
            os.close(self._folder_fd)
            raise trouble.local(error, folder, doing="create a file in") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()
        os.close(self._folder_fd)

    def write(self, data: memoryview | bytes) -> None:
        """Append all of `data`."""
        assert self._fd is not None
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # a signal or a nearly full disk writes less than asked
                data = data[written:]
                written = os.write(self._fd, data)
        except OSError as error:
            raise trouble.local(error, self.folder, doing="write to") from error

    def publish(self, name: str) -> Path:
        """The file under its final name: contents and name are on disk when this returns.

        What has that name already is replaced; a folder belongs to one record, which may have
        changed since.
        """
        assert self._fd is not None
        final = self.folder / check_name(name)
        try:
            os.fsync(self._fd)
            self._close()
            os.rename(self._temp, name, src_dir_fd=self._folder_fd, dst_dir_fd=self._folder_fd)
            self._temp = ""
            os.fsync(self._folder_fd)
        except OSError as error:
            raise trouble.local(error, final, doing="publish") from error
        return final

    def discard(self) -> None:
        """Remove the temporary file, if it was not published."""
        self._close()
        if self._temp:
            temp, self._temp = self._temp, ""
            try:
                os.unlink(temp, dir_fd=self._folder_fd)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise trouble.local(error, self.folder / temp, doing="remove") from error

    def _create(self) -> int:
        try:
            return os.open(self._temp, _CREATE_FLAGS, FILE_MODE, dir_fd=self._folder_fd)
        except FileExistsError:
            # Only our own token makes this name, so it is what a crash of ours left (or a link
            # that somebody planted: unlink removes the link, never what it points to).
            os.unlink(self._temp, dir_fd=self._folder_fd)
            return os.open(self._temp, _CREATE_FLAGS, FILE_MODE, dir_fd=self._folder_fd)

    def _close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
