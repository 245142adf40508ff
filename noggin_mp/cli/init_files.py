"""What `init` writes: a configuration with the keys that matter, and the files of its service."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from noggin_mp import resources
from noggin_mp.domain import errors

SYSTEMD: Final = (
    "noggin-processor.service", "noggin-worker@.service", "noggin-monitor.service",
    "noggin-report.service", "noggin-report.timer", "noggin-backup.service",
    "noggin-backup.timer", "noggin-prune.service", "noggin-prune.timer",
    "noggin-mp.sysusers", "noggin-mp.tmpfiles", "noggin-mp.logrotate",
)  # fmt: skip
"""The files for systemd; the last three make the user and the folders, and turn logs over."""

_LINE: Final = re.compile(r'( *)("?([a-z_]+)"?):(?: +(.*))?')
_ACCOUNT: Final = re.compile(r"(?<![\w/.@-])noggin(?![\w/.@-])")
_OWN_FOLDERS: Final = re.compile(r"(?:(?:State|Logs)Directory(?:Mode)?=.*\n)+")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9/._+@-]")
_LONGEST: Final = 68
"""Source: unix(7), 108 bytes for a socket's path; supervisord binds it with `.PID` behind it."""
_HIDDEN: Final = {
    "ProtectHome=yes": ("ProtectHome=read-only", ("/home", "/root", "/run/user")),
    "PrivateTmp=yes": ("PrivateTmp=no", ("/tmp", "/var/tmp")),  # noqa: S108 - told, not used
}
"""Protections that would hide what lies below these folders, and what to say instead."""
_HEAD: Final = (
    "# The configuration of this noggin_mp, made by `noggin-mp init`. A line with # and no space\n"
    "# behind it shows a key with its default: take the # away to change it.\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An installation: its folder, the words that start the program, whom it runs as."""

    folder: Path
    program: tuple[str, ...]
    user: str
    group: str
    grace_s: float = 30.0
    workers: int = 4

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.folder / "config" / "noggin.yaml"

    @property
    def token(self) -> Path:
        """Where the token is to be put."""
        return self.folder / "config" / "token"

    @property
    def data(self) -> Path:
        """What the program may write to."""
        return self.folder / "var"


def configuration(site: Site, given: Mapping[str, object], *, credential: bool) -> str:
    """noggin.yaml: the keys of `given` and of the site's own paths live, all others commented.

    `credential`: systemd hands the token on.
    """
    folder = _literal(site.token.parent)
    token = f"${{CREDENTIALS_DIRECTORY:-{folder}}}/token" if credential else f"{folder}/token"
    live = {
        "database.dsn": "",
        "api.namespace": "",
        "api.token_file": token,
        **{f"paths.{n}": _literal(site.data / n) for n in ("state", "input", "output", "log")},
        **given,
    }
    text = (resources.folder("config") / "noggin.yaml").read_text("utf-8")
    body = text[text.index("#\n") :]
    lines, path = [], [""]
    for line in body.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        indent, written, key, value = found.groups()
        path = [*path[: len(indent) // 2], key]
        name = ".".join(path)
        if name in live:
            lines.append(f"{indent}{written}: {json.dumps(live[name], ensure_ascii=False)}")
        else:
            lines.append(line if value is None else f"{indent}#{written}: {value}")
    return _HEAD + "\n".join(lines) + "\n"


def _literal(path: Path) -> str:
    """The path as a text that the configuration does not expand."""
    return str(path).replace("${", "$${")


def service_file(name: str, site: Site) -> str:
    """A shipped file for systemd or supervisord with the site's paths, user and times in it.

    Raises: UsageError for a path that neither could read.
    """
    for text in (*site.program, str(site.folder)):
        if _UNFIT.search(text):
            raise errors.UsageError(
                f"{text!r} cannot stand in a service file",
                remedy="choose a folder whose path holds only letters, digits and / . _ + @ -",
            )
    if name == "supervisord.conf" and len(str(site.folder)) > _LONGEST:
        raise errors.UsageError(
            f"{site.folder} is too long for supervisord's socket in it",
            remedy=f"choose a folder whose path has at most {_LONGEST} characters",
        )
    text = (resources.folder("services") / name).read_text("utf-8")
    text = _ACCOUNT.sub(lambda found: _account(found, site), text)
    text = _OWN_FOLDERS.sub(f"ReadWritePaths={site.data}\n", text)
    text = text.replace("TimeoutStopSec=60", f"TimeoutStopSec={site.grace_s + 30:.0f}")
    text = text.replace("stopwaitsecs=40", f"stopwaitsecs={site.grace_s + 10:.0f}")
    text = text.replace("numprocs=4", f"numprocs={site.workers}")
    for strict, (looser, roots) in _HIDDEN.items():
        if any(_below(Path(one), roots) for one in (site.program[0], str(site.folder))):
            text = text.replace(strict, looser)
    return _moved(text, site)


def _account(found: re.Match[str], site: Site) -> str:
    """The user, or the group where a group stands: after `Group=`, or as the second of two."""
    before = found.string[: found.start()]
    return site.group if re.search(r"(Group=|root +|\bnoggin +)$", before) else site.user


def _moved(text: str, site: Site) -> str:
    """The shipped paths as the site's, in one pass: a new path may well hold an old one."""
    services = site.folder / "supervisord"
    places = {
        "/opt/noggin-mp/bin/noggin-mp": " ".join(site.program),
        "/opt/noggin-mp/bin/supervisorctl": str(Path(site.program[0]).with_name("supervisorctl")),
        "/etc/noggin-mp/noggin.yaml": str(site.config),
        "/etc/noggin-mp/token": str(site.token),
        "/etc/noggin-mp/supervisord.conf": str(services / "supervisord.conf"),
        "/etc/supervisor/conf.d/noggin-mp*.conf": str(services / "noggin-mp*.conf"),
        "/run/noggin-": f"{services}/",
        "/var/log/noggin-supervisord": f"{services}/supervisord",
        "/etc/noggin-mp": str(site.config.parent),
        "/var/lib/noggin-mp": str(site.data),
        "/var/log/noggin-mp": str(site.data / "log"),
    }
    pattern = "|".join(re.escape(place) for place in places)
    return re.sub(pattern, lambda found: places[found[0]], text)


def _below(path: Path, roots: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(root) or path.resolve().is_relative_to(root) for root in roots)
