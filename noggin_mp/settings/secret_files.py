"""Files that hold a secret: whether they are there, who may read them, what to do about that."""

import os
import stat
from pathlib import Path


def is_there(file: Path) -> bool:
    """True for a file; also when this user may not look, for then whoever reads it says so."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False


def is_open_to_all(file: Path) -> bool:
    """True when users other than owner and group may read it."""
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)


def closing(file: Path) -> str:
    """The commands that shut an open file for others, and leave it open for this user."""
    found = file.stat()
    mine = found.st_uid == os.geteuid()
    sudo = "" if mine else "sudo "
    if mine and found.st_gid == os.getegid():
        return f"run: chmod 600 {file}"
    if mine or found.st_gid in {os.getegid(), *os.getgroups()}:
        return f"run: {sudo}chmod 640 {file}"
    return f"run: sudo chgrp {os.getegid()} {file} && sudo chmod 640 {file}"
