"""Folders, texts, checks and sweeping on the output's file system."""

import hashlib
import os
import secrets
import stat
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from noggin_mp.domain import errors
from noggin_mp.gateway import partial, trouble

FOLDER_MODE = 0o750
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def free_bytes(path: Path) -> int:
    """Bytes that an ordinary user may still write to the file system of `path`.

    Raises: errors.PathUnusable.
    """
    try:
        found = os.statvfs(path)
    except OSError as error:
        raise trouble.local(error, path, doing="look at") from error
    return found.f_bavail * found.f_frsize


def require_space(path: Path, floor_bytes: int) -> int:
    """The free bytes at `path`, when they are at least `floor_bytes`.

    Raises: errors.DiskFull (less than the floor), errors.PathUnusable.
    """
    free = free_bytes(path)
    if free < floor_bytes:
        raise errors.DiskFull(
            f"only {_size(free)} are free at {path}, under the floor of {_size(floor_bytes)}",
            remedy="make room there, or lower attachments.min_free_bytes",
        )
    return free


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**27 else f"{count / 2**20:.2f} MiB"


def ensure_folder(root: Path, relative: PurePosixPath | str) -> Path:
    """The folder `root/relative`, made where missing; never led astray by a symlink below `root`.

    `root` itself must exist: a missing one is most likely a mount that is gone, and making it
    would fill the disk below. Raises: errors.DiskFull, errors.PathUnusable; ValueError (`relative`
    leaves `root`).
    """
    parts = PurePosixPath(relative).parts
    for part in parts:
        partial.check_name(part)
    place = root
    try:
        folder = os.open(root, _FOLDER_FLAGS)
        for part in parts:
            place = place / part
            try:
                inner = _enter(folder, part)
            finally:
                os.close(folder)
            folder = inner
        os.close(folder)
    except OSError as error:
        raise trouble.local(error, place, doing="open folder") from error
    return place


def _enter(folder: int, name: str) -> int:
    flags = _FOLDER_FLAGS | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        pass
    try:
        os.mkdir(name, FOLDER_MODE, dir_fd=folder)
        os.fsync(folder)
    except FileExistsError:
        pass  # another thread was quicker
    return os.open(name, flags, dir_fd=folder)


def ensure_writable(folder: Path) -> None:
    """Nothing, when `folder` exists (made where missing) and a file can be written in it.

    Raises: errors.DiskFull, errors.PathUnusable.
    """
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    except FileExistsError as error:
        wrong = NotADirectoryError(20, os.strerror(20))
        raise trouble.local(wrong, folder, doing="use as a folder") from error
    except OSError as error:
        raise trouble.local(error, folder, doing="create folder") from error
    with partial.Partial(folder.resolve(), "write-test", secrets.token_hex(8)) as probe:
        probe.write(b"\0")


def publish_text(folder: Path, name: str, text: str, *, token: int | str = "") -> Path:
    """The file `folder/name` with `text` in UTF-8, replaced in one step and on disk.

    Raises: errors.DiskFull, errors.PathUnusable.
    """
    with partial.Partial(folder, name, token or secrets.token_hex(8)) as new:
        new.write(text.encode("utf-8", errors="replace"))
        return new.publish(name)


def verify_existing(path: Path, *, size_bytes: int, sha256: str) -> bool:
    """True when `path` is a regular file (no link) of exactly this size and SHA-256.

    Raises: errors.PathUnusable (it is there but cannot be read).
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError as error:
        if path.is_symlink():
            return False
        raise trouble.local(error, path, doing="read") from error
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            return False
        with os.fdopen(fd, "rb", buffering=0, closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256.lower()
    except OSError as error:
        raise trouble.local(error, path, doing="read") from error
    finally:
        os.close(fd)


def sweep(
    root: Path,
    *,
    keep: Collection[str | int] = (),
    older_than: float | None = None,
    issued: int | None = None,
    dry_run: bool = False,
) -> int:
    """The number of our partial files removed below `root`; a missing `root` has none.

    Only regular files of our pattern go, links are never followed. Those whose token is in `keep`
    (leases that live) stay, and with `older_than` (seconds since the epoch) younger ones too; so do
    those of tokens above `issued`, the last one there was: they are younger, whatever clocks say.
    With `dry_run` they are only counted.
    Raises: errors.PathUnusable.
    """
    kept = {str(token) for token in keep}
    removed = 0
    if not root.is_dir():
        return removed
    for place, _, names, folder in os.fwalk(root.resolve(), follow_symlinks=False):
        for name in names:
            match = partial.TEMP_NAME.fullmatch(name)
            if match is None or match[1] in kept or _later(match[1], issued):
                continue
            try:
                removed += _remove(folder, name, older_than, dry_run)
            except OSError as error:
                raise trouble.local(error, Path(place) / name, doing="remove") from error
    return removed


def _later(token: str, issued: int | None) -> bool:
    return issued is not None and token.isdecimal() and int(token) > issued


def _remove(folder: int, name: str, older_than: float | None, dry_run: bool) -> bool:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode):
            return False
        if older_than is not None and found.st_mtime >= older_than:
            return False
        if not dry_run:
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False  # its owner was quicker
    return True
