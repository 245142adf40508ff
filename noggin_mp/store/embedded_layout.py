"""Where an embedded server's files lie, whom they belong to, and how they are found again.

`<state>/postgres` (control) holds the lock, the log and a pointer; `server` holds data and socket,
0700, and belongs to the account the server runs as. When root starts it and that account cannot
enter the state folder, `server` lies in a base of its own elsewhere; when the socket's path
would not fit a socket address, the socket lies in a short folder elsewhere. The pointer tells.
"""

import fcntl
import hashlib
import json
import os
import stat
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noggin_mp.domain import errors
from noggin_mp.store import binaries, private

DATABASE: Final = "noggin_db"
ROLE: Final = "noggin"
SOCKET_FILE: Final = ".s.PGSQL.5432"
LOCK_TIMEOUT_S: Final = 180.0
# sockaddr_un.sun_path has 108 bytes, one of them for the final NUL. Source: unix(7).
_SOCKET_PATH_BYTES: Final = 107
_ELSEWHERE: Final = (Path("/var/lib"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 - owner and mode are checked
_SOCKETS_ELSEWHERE: Final = (Path("/run"), Path("/tmp"))  # noqa: S108 - mkdtemp, then checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The folders of one embedded server."""

    control: Path
    server: Path
    socket: Path

    @property
    def data(self) -> Path:
        """Postgres's data folder."""
        return self.server / "data"

    @property
    def log(self) -> Path:
        """What the server wrote to its standard error."""
        return self.control / "log"

    @property
    def dsn(self) -> str:
        """The database's URL; it names port and user, so that PGPORT and PGUSER do not count."""
        host = urllib.parse.quote(str(self.socket), safe="")
        return f"postgresql://{ROLE}@/{DATABASE}?host={host}&port=5432"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A layout made ready: with the programs to run and the account to run them under."""

    layout: Layout
    programs: binaries.Programs
    account: binaries.Account


def control_folder(state: Path) -> Path:
    """The folder of lock, log and pointer."""
    return state.absolute() / "postgres"


def read(state: Path) -> Layout | None:
    """The layout noted in the state folder; None before the first start.

    Raises: PathUnusable when the folder is another user's.
    """
    control = control_folder(state)
    try:
        noted = json.loads((control / "where.json").read_text("utf-8"))
        return Layout(
            control=control,
            server=Path(noted["server"]) if noted["server"] else control / "server",
            socket=Path(noted["socket"]) if noted["socket"] else control / "server" / "socket",
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
        return None
    except PermissionError as error:
        raise private.foreign(control) from error


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Alone among the processes that start, stop or remove this state folder's server.

    Raises: PathUnusable when the folder cannot be used; LocalTrouble when the lock stays taken.
    """
    control = control_folder(state)
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        descriptor = _open_lock(control)
        try:
            while not _try_lock(descriptor):
                if time.monotonic() > deadline:
                    raise errors.LocalTrouble(
                        f"another process has been starting or stopping the database of {control}"
                        f" for {LOCK_TIMEOUT_S:.0f} s",
                        remedy=f"see who holds {control / 'lock'} (fuser -v) and end it",
                    )
                time.sleep(0.02)
            # Whoever removes a server removes the lock file too: locking a removed one is no lock.
            if _same(descriptor, control / "lock"):
                yield
                return
        finally:
            os.close(descriptor)


def prepare(state: Path) -> Seat:
    """Folders, programs and account of the state folder's server, made where missing. Lock first.

    Raises: ConfigError without the wheel or when no account can run it; PathUnusable when the
    folders are another user's.
    """
    control = control_folder(state)
    wheel = binaries.find()
    noted = read(state)
    bases = [control, *(elsewhere(state) if os.geteuid() == 0 else ())]
    if noted is not None and noted.server.parent not in bases:
        bases.insert(0, noted.server.parent)  # the state folder was moved since
    filled = [base for base in bases if private.exists(base / "server" / "data")]
    for base in filled[:1] or bases:
        seat = _seat(control, base, wheel, noted)
        if seat is not None:
            _note(seat.layout)
            return seat
    raise errors.ConfigError(
        f"the embedded Postgres cannot run in {(filled or bases)[0]}: no account it may run under"
        " can enter that folder and start the programs",
        remedy="choose a paths.state that other users may enter, or set database.dsn",
    )


def elsewhere(state: Path) -> list[Path]:
    """Where root puts a server whose account cannot enter the state folder, best first."""
    name = f"noggin-mp-{hashlib.sha256(os.fsencode(control_folder(state))).hexdigest()[:16]}"
    return [parent / name for parent in _ELSEWHERE]


def trusted(layout: Layout) -> bool:
    """True when the socket's folder is private and belongs to the account that owns the server."""
    try:
        folder, server = layout.socket.lstat(), layout.server.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(folder.st_mode)
        and folder.st_uid == server.st_uid
        and not folder.st_mode & 0o077
    )


def _seat(control: Path, base: Path, wheel: binaries.Programs, noted: Layout | None) -> Seat | None:
    server = base / "server"
    for account in _accounts(server):
        try:
            private.own_folder(base, account)
            private.private_folder(server, account)
            programs = wheel
            if not binaries.usable(programs, account, server):
                if not account.drop:
                    return None
                programs = binaries.copy(wheel, base)
                if not binaries.usable(programs, account, server):
                    continue
            socket = _socket_folder(server, account, noted)
        except OSError:
            continue
        return Seat(
            layout=Layout(control=control, server=server, socket=socket),
            programs=programs,
            account=account,
        )
    return None


def _accounts(server: Path) -> Iterator[binaries.Account]:
    """Whose data it is already; else everybody it may become."""
    if not private.exists(server / "data"):
        yield from binaries.accounts()
        return
    owner = server.stat().st_uid
    if os.geteuid() not in (0, owner):
        raise private.foreign(server)
    yield binaries.owner(owner, server.stat().st_gid)


def _socket_folder(server: Path, account: binaries.Account, noted: Layout | None) -> Path:
    """A private folder whose path is short enough, the same as last time where possible."""
    near = server / "socket"
    if _fits(near):
        # Made by the account itself: root must not chown where that account can plant a link.
        made_it = binaries.run(
            ["/bin/sh", "-c", 'mkdir -p -m 700 "$1"', "sh", near], account=account
        )
        if made_it.returncode != 0:
            raise PermissionError(f"{near} cannot be made")
        return near
    if noted is not None and noted.server == server and _fits(noted.socket) and trusted(noted):
        return noted.socket
    for parent in _SOCKETS_ELSEWHERE:
        if os.access(parent, os.W_OK):
            made = Path(tempfile.mkdtemp(prefix="noggin-mp-", dir=parent))
            if account.drop:
                os.chown(made, account.uid, account.gid)
            return made
    raise PermissionError("no folder for a socket")


def _fits(folder: Path) -> bool:
    """Short enough for a socket address, and without a comma, which libpq takes for two hosts."""
    return len(os.fsencode(folder / SOCKET_FILE)) <= _SOCKET_PATH_BYTES and "," not in str(folder)


def _note(layout: Layout) -> None:
    """Writes the pointer. What lies inside the state folder is noted as such: it may be moved."""
    inside = layout.server == layout.control / "server"
    noted = {
        "server": None if inside else str(layout.server),
        "socket": None
        if layout.socket == layout.server / "socket" and inside
        else str(layout.socket),
    }
    private.write_file(layout.control / "where.json", json.dumps(noted))
    if not inside:  # for people who find the folder and wonder whose it is
        private.write_file(layout.server.parent / "belongs-to", f"{layout.control}\n")


def _open_lock(control: Path) -> int:
    try:
        control.mkdir(parents=True, mode=0o700, exist_ok=True)
        return private.open_file(control / "lock", os.O_RDWR)
    except PermissionError as error:
        raise private.foreign(control) from error
    except OSError as error:
        raise errors.PathUnusable(
            f"the database's folder {control} cannot be used: {error.strerror}",
            remedy="choose another paths.state",
        ) from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
