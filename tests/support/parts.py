"""Programs of Debian that tests run: found on PATH or in the parts folder, or fetched into it.

`python -m tests.support.parts` (make parts) downloads what is missing and unpacks it below the
virtual environment. Nothing is installed, so no service is started and root is not needed; only
package lists are, which root may renew.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(sys.prefix) / "parts"
_SYSTEM = "/usr/sbin:/usr/local/sbin"
_APT_S = 180.0
_SHARED = b"/usr/share/prometheus/alertmanager"
_QUIET = (
    "-qq",
    "-o", "APT::Sandbox::User=root",  # the folder is private
    "-o", "Acquire::Retries=1",
    "-o", "Acquire::http::Timeout=15",
    "-o", "Acquire::https::Timeout=15",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A Debian package, the programs wanted of it, and libraries that may be missing beside it."""

    package: str
    programs: tuple[str, ...]
    libraries: tuple[str, ...] = ()


PARTS = (
    Part(package="prometheus", programs=("prometheus", "promtool")),
    Part(package="prometheus-alertmanager", programs=("prometheus-alertmanager", "amtool")),
    Part(
        package="pgbouncer",
        programs=("pgbouncer",),
        libraries=("libevent-2.1-7", "libc-ares2"),
    ),
    Part(package="faketime", programs=("faketime",), libraries=("libfaketime",)),
)


def find(program: str) -> str | None:
    """The path of a program, None when it is neither installed nor fetched."""
    return (
        shutil.which(program)
        or shutil.which(program, path=_SYSTEM)
        or shutil.which(program, path=str(FOLDER / "bin"))
    )


def needs(*programs: str) -> pytest.MarkDecorator:
    """A mark that skips a test, with the remedy, where one of the programs is missing."""
    missing = [one for one in programs if find(one) is None]
    packages = {part.package for part in PARTS if set(part.programs) & set(missing)}
    return pytest.mark.skipif(
        bool(missing),
        reason=f"{', '.join(missing)} not found: make parts, or apt-get install"
        f" {' '.join(sorted(packages))}",
    )


def fetch(part: Part, folder: Path = FOLDER) -> None:
    """Download a part and unpack it into `folder`. Raises: OSError, CalledProcessError."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        _apt("download", part.package, *part.libraries, cwd=scratch)
        for file in sorted(Path(scratch).glob("*.deb")):
            _run("dpkg-deb", "-x", str(file), str(folder))
    for program in part.programs:
        _wrap(folder, program)


def _wrap(folder: Path, program: str) -> None:
    """`bin/<program>`: the program with the fetched libraries behind the machine's own."""
    found = next(one for one in folder.glob(f"usr/*bin/{program}"))
    libraries = ":".join(str(one) for one in sorted(folder.glob("usr/lib/*-linux-*")))
    wrapper = folder / "bin" / program
    wrapper.parent.mkdir(exist_ok=True)
    shared = folder / _SHARED.decode().lstrip("/")
    if shared.is_dir():
        _relocate(found)
    wrapper.write_text(
        "#!/bin/sh\n"
        + (f'exec 9<"{shared}"\n' if shared.is_dir() else "")
        + f"LD_LIBRARY_PATH=${{LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}}{libraries}\n"
        f'export LD_LIBRARY_PATH\nexec "{found}" "$@"\n'
    )
    wrapper.chmod(0o755)


def _relocate(program: Path) -> None:
    """Debian's Alertmanager reads a template from /usr/share; let it read it from descriptor 9."""
    code = program.read_bytes()
    fresh = program.with_suffix(".new")
    fresh.write_bytes(code.replace(_SHARED, b"/proc/self/fd/9".ljust(len(_SHARED), b"/")))
    fresh.chmod(0o755)
    fresh.rename(program)


def _apt(*words: str, cwd: str | None = None) -> None:
    _run("apt-get", *_QUIET, *words, cwd=cwd)


def _run(*command: str, cwd: str | None = None) -> None:
    subprocess.run(
        command,
        check=True,
        cwd=cwd,
        timeout=_APT_S,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )


def main() -> int:
    """Fetch what is missing; 1 when something stays missing, which the tests will name too."""
    missing = [part for part in PARTS if not all(map(find, part.programs))]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        _told("package lists", functools.partial(_apt, "update"))
    for part in missing:
        _told(part.package, functools.partial(fetch, part))
    left = sorted(one for part in PARTS for one in part.programs if find(one) is None)
    if left:
        packages = " ".join(part.package for part in PARTS if set(part.programs) & set(left))
        print(
            f"parts: {', '.join(left)} not found; their tests will be skipped."
            f" Remedy: apt-get install {packages}",
            file=sys.stderr,
        )
    return 1 if left else 0


def _told(what: str, step: Callable[[], None]) -> None:
    try:
        step()
    except (OSError, subprocess.SubprocessError, StopIteration) as error:
        said = getattr(error, "stderr", "") or str(error)
        print(f"parts: {what}: {said.strip().splitlines()[-1]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
