"""Listening on a port, and who has it when it is taken."""

import contextlib
import socket
from pathlib import Path

from noggin_mp.domain import errors

_LISTENING = "0A"
_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one.

    Raises: PortInUse, naming the process that has the port when it can be found.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise errors.PortInUse(
            f"cannot listen on {host}:{port}: {reason}{_by_whom(port)}",
            remedy="choose another with --port, or --port 0 for any free one",
        ) from error
    listener.setblocking(False)
    return listener


def _by_whom(port: int) -> str:
    pid = holder(port)
    if pid is None:
        return ""
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        name = ""
    return f" by process {pid}" + (f" ({name})" if name else "")


def holder(port: int) -> int | None:
    """The pid of a process that listens on `port`; None when there is none that we may see."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):  # the process ended, or belongs to someone else
            for link in (folder / "fd").iterdir():
                if str(link.readlink()) in wanted:
                    return int(folder.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                parts = line.split()
                if parts[3] == _LISTENING and int(parts[1].rpartition(":")[2], 16) == port:
                    found.add(parts[9])
    return found
