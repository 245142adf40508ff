"""The monitor's listening socket: bound once by the supervisor, so that it survives monitors."""

import errno
import socket
from pathlib import Path

from noggin_mp.domain import errors

_BACKLOG = 128
_LISTEN_STATE = "0A"
"""Source: the kernel's include/net/tcp_states.h: TCP_LISTEN is 10."""


def bind(address: tuple[str, int]) -> socket.socket:
    """A socket that listens on host and port (port 0: any free one).

    Raises: PortInUse naming the process that holds the port; LocalTrouble for an address that this
    host does not have or may not use.
    """
    host, port = address
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise errors.LocalTrouble(
            f"monitor.bind: the host {host!r} cannot be resolved ({error.strerror})",
            remedy="give an address of this host, like 127.0.0.1",
        ) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _explain(error, host, port) from error
    listener.setblocking(False)
    return listener


def _explain(error: OSError, host: str, port: int) -> errors.LocalTrouble:
    place = f"{host or '*'}:{port}"
    if error.errno == errno.EADDRINUSE:
        pid = holder(port)
        who = f"process {pid} ({_name(pid)})" if pid else "another process"
        return errors.PortInUse(
            f"port {port} on {host or 'this host'} is in use by {who}",
            remedy="stop it, or give monitor.bind another port",
        )
    if error.errno == errno.EACCES:
        return errors.LocalTrouble(
            f"monitor.bind: no right to listen on {place}",
            remedy="give monitor.bind a port above 1023",
        )
    return errors.LocalTrouble(
        f"monitor.bind: cannot listen on {place} ({error.strerror})",
        remedy="give an address of this host, like 127.0.0.1:9109",
    )


def holder(port: int) -> int | None:
    """The process that listens on `port`, as far as this user may see it."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue  # gone, or another user's
    return None


def _listening_inodes(port: int) -> set[str]:
    """Socket inodes that listen on `port`. Source: proc(5), /proc/net/tcp."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[3] == _LISTEN_STATE and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(fields[9])
    return inodes


def _name(pid: int) -> str:
    try:
        return Path("/proc", str(pid), "comm").read_text().strip()
    except OSError:
        return "unknown"
