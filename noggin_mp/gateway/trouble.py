"""From an OSError on our own disk to one sentence with the command that heals it."""

import errno
import os
import pwd
import shlex
from pathlib import Path

from noggin_mp.domain import errors

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TOO_MANY = frozenset({errno.EMFILE, errno.ENFILE})


def local(error: OSError, path: Path, *, doing: str) -> errors.LocalTrouble:
    """DiskFull or PathUnusable for `error`, met while `doing` ("write to"...) `path`."""
    said = os.strerror(error.errno) if error.errno else str(error)
    sentence = f"cannot {doing} {path}: {said}"
    if error.errno in _FULL:
        return errors.DiskFull(
            sentence, remedy=f"make room on its file system: df -h {_quoted(path)}"
        )
    return errors.PathUnusable(sentence, remedy=_remedy(error, path))


def _remedy(error: OSError, path: Path) -> str:
    user = shlex.quote(_user())
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        start = "" if error.errno == errno.ENOENT else "remove what stands in its way, then "
        return f"{start}run: sudo install -d -o {user} -m 750 {_quoted(path)}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return _opening(Path(os.path.realpath(path)), user)
    if error.errno == errno.EROFS:
        return f"mount it writable: findmnt -T {_quoted(path)}"
    if error.errno in _TOO_MANY:
        return "raise the limit of open files (ulimit -n, LimitNOFILE=), or lower fleet.threads"
    return f"check the disk: findmnt -T {_quoted(path)}; dmesg | tail"


def _opening(path: Path, user: str) -> str:
    """What gives us `path`, which has no symlink in it: the folder that bars us may be behind one.

    It may have gone meanwhile.
    """
    barred = next((p for p in reversed(path.parents) if not _enterable(p)), None)
    if barred is not None:
        return f"choose a folder {user} can reach, or run: sudo chmod o+x {_quoted(barred)}"
    try:
        owner = path.stat().st_uid
    except OSError:
        return f"run: sudo install -d -o {user} -m 750 {_quoted(path)}"
    if owner == os.geteuid():
        return f"run: chmod u+rwx {_quoted(path)}"
    return f"run: sudo chown -R {user} {_quoted(path)}"


def _enterable(folder: Path) -> bool:
    """False for a folder that is there and shuts us out."""
    return os.access(folder, os.X_OK) or not folder.is_dir()


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
