"""Files and folders of ours that other users must not plant, swap or read; kept so as root too."""

import os
import pwd
import stat
from pathlib import Path

from noggin_mp.domain import errors
from noggin_mp.store import binaries


def open_file(path: Path, flags: int) -> int:
    """A descriptor of a file in a control folder, created where missing, never through a link.

    When root acts on another user's state folder the file becomes that user's.
    """
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, flags)
    folder = path.parent.stat()
    if os.geteuid() == 0 and folder.st_uid != 0:
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def write_file(path: Path, text: str) -> None:
    """The file holds `text`, at once and durably, or is as it was."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(open_file(temporary, os.O_WRONLY), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def own_folder(path: Path, account: binaries.Account) -> None:
    """A folder nobody but us (or the server's account) can have planted or may write to."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    strange = found.st_uid not in (os.geteuid(), account.uid)
    if not stat.S_ISDIR(found.st_mode) or strange or found.st_mode & 0o022:
        raise PermissionError(f"{path} is not ours alone")
    if found.st_uid != account.uid:
        path.chmod(0o711)  # the account passes through to what is its own


def private_folder(path: Path, account: binaries.Account) -> None:
    """A folder only `account` may enter. Its parent is ours alone, so nobody swaps it meanwhile."""
    path.mkdir(mode=0o700, exist_ok=True)
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise NotADirectoryError(f"{path} is no folder")
    path.chmod(0o700)
    if account.drop:
        os.chown(path, account.uid, account.gid)


def exists(path: Path) -> bool:
    """True when the path exists. Raises: PathUnusable when we may not even look."""
    try:
        return path.exists()
    except PermissionError as error:
        raise foreign(path.parent) from error


def foreign(path: Path) -> errors.PathUnusable:
    """The error for a folder that is somebody else's: the nearest one that exists names whose."""
    place = path
    while not os.access(place, os.F_OK) and place != place.parent:
        place = place.parent
    uid = place.stat().st_uid
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return errors.PathUnusable(
        f"the database's folder {path} may not be used by this user: {place} belongs to {name}",
        remedy=f"run the command as {name}, or choose another paths.state",
    )
