"""`init`: a configuration, folders and service files, without touching what is there."""

import getpass
import grp
import itertools
import os
import pwd
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from noggin_mp.cli.context import Context, pass_context
from noggin_mp.domain import errors

if TYPE_CHECKING:
    from noggin_mp.cli.init_files import Site

_FOLDERS: Final = {
    "config": 0o750, "var": 0o750, "var/state": 0o750, "var/input": 0o750, "var/output": 0o750,
    "var/log": 0o750, "var/backup": 0o700,
}  # fmt: skip
"""The folders of an installation with their modes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file, or a folder when `text` is None, and whose it should be."""

    path: Path
    mode: int
    text: str | None = None
    private: bool = False
    """The program's own, to write to; else root's, for the program to read."""


@click.command(
    epilog="""\b
Examples:
  noggin-mp init --dir .
  sudo noggin-mp init --dir /srv/noggin --systemd --namespace acme
  noggin-mp init --dir ~/noggin --supervisord --numprocs --workers 8
  noggin-mp init --dir /srv/noggin --systemd --dry-run

\b
Below the folder: config/noggin.yaml, var/ for data, and systemd/ or supervisord/ with files that
name this program, that configuration and the user. What is there is kept, unless --force replaces
it (the old file stays beside it with .old behind its name). With --systemd or --supervisord that
means the service files, made anew for the configuration as it is. The next steps are printed.
"""
)
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=".", show_default=True,
              metavar="DIR", help="The folder of the installation.")  # fmt: skip
@click.option("--systemd", is_flag=True, help="Write units, timers, user and folders for systemd.")
@click.option("--supervisord", is_flag=True, help="Write a program for supervisord.")
@click.option("--numprocs", is_flag=True, help="With --supervisord: one program per worker.")
@click.option("--user", metavar="NAME", help="Whom it runs as; as root noggin, else yourself.")
@click.option("--dsn", default="", help="The database; without a password.")
@click.option("--namespace", default="", help="The API's namespace.")
@click.option("--workers", type=click.IntRange(1, 512), help="Worker processes.")
@click.option(
    "--force", is_flag=True, help="Replace files that are there: service files if asked for."
)
@click.option("--dry-run", is_flag=True, help="Only tell what would be written.")
@pass_context
def init(ctx: Context, /, folder: Path, **options: Any) -> None:
    """Write a configuration, folders and service files for one installation."""
    from noggin_mp.cli import doctor_services, init_files, init_steps

    # Not resolve(): a symlink that the operator set up stays as written.
    folder = Path(os.path.abspath(folder.expanduser()))  # noqa: PTH100
    _refuse_nonsense(ctx, folder, options)
    user, group = _account(options["user"])
    site = init_files.Site(
        folder=folder,
        program=tuple(doctor_services.program()),
        user=user,
        group=group,
        **_sizes(folder / "config" / "noggin.yaml", options),
    )
    if user != getpass.getuser() and (shut := _shut(Path(sys.executable))):
        ctx.note(
            f"{user} may not enter {shut}, where this program's Python lies: install it elsewhere,"
            " say in /opt"
        )
    for note in _both(site, options):
        ctx.note(note)
    wanted = list(_wanted(site, options))
    done = [
        {"path": str(one.path), "mode": f"{one.mode:04o}", "done": _place(one, site, options)}
        for one in wanted
    ]
    steps = init_steps.after(site, systemd=options["systemd"], supervisord=options["supervisord"])
    word = "would be " if options["dry_run"] else ""
    lines = [f"{word}{one['done']:<10}{one['path']}" for one in done if one["done"] != "unchanged"]
    lines += _about_kept([Path(one["path"]) for one in done if one["done"] == "kept"], options)
    lines += ["", "Next:", *(f"  {step}" for step in steps)]
    ctx.emit(
        {"dry_run": options["dry_run"], "dir": str(site.folder), "files": done, "next": steps},
        "\n".join(lines),
    )


def _about_kept(kept: list[Path], options: dict[str, Any]) -> Iterator[str]:
    """A line for people about what differs and stays."""
    if kept:
        how = ", unless you add --force" if any(_yields(one, options) for one in kept) else ""
        yield f"{len(kept)} there and different: kept as it is{how}"


def _refuse_nonsense(ctx: Context, folder: Path, options: dict[str, Any]) -> None:
    """Raises: UsageError."""
    if not str(folder).isprintable():
        raise errors.UsageError(
            f"{str(folder)!r} cannot stand in a configuration",
            remedy="choose a --dir of characters that can be shown",
        )
    if ctx.config is not None:
        raise errors.UsageError(
            "init writes a configuration, it reads none", remedy="give --dir instead of -c"
        )
    if options["numprocs"] and not options["supervisord"]:
        raise click.UsageError("--numprocs needs --supervisord")
    if options["dsn"]:
        from noggin_mp.store import session

        if session.parse(options["dsn"]).get("password"):
            raise errors.UsageError(
                "--dsn holds a password, which would stay in the configuration in clear",
                remedy="leave it out and put it into ~/.pgpass of the user it runs as",
            )


def _account(name: str | None) -> tuple[str, str]:
    """User and group that the service runs as; a user that is still to be made is his own group.

    Raises: UsageError for a user who is not there and whom nobody could make.
    """
    if name is None:
        name = "noggin" if os.geteuid() == 0 else getpass.getuser()
    try:
        return name, grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    except KeyError:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", name):
            raise errors.UsageError(
                f"{name!r} is no user here, and cannot be made one",
                remedy="give --user a name of letters, digits, '_', '.' and '-'",
            ) from None
        return name, name


def _both(site: "Site", options: dict[str, Any]) -> Iterator[str]:
    """What would start two fleets on one machine."""
    if options["systemd"] and options["supervisord"]:
        yield "files for both managers: start the fleet by one of them, a second one is refused"
    names = ("noggin-mp.conf", "noggin-mp-numprocs.conf")
    other = site.folder / "supervisord" / names[not options["numprocs"]]
    if options["supervisord"] and os.access(other, os.F_OK):
        yield f"{other} is of the other mode: remove it, or supervisord starts both"


def _sizes(config: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Grace and workers as an existing configuration has them, when that is kept."""
    from noggin_mp.settings import loader

    workers = options["workers"]
    sizes: dict[str, Any] = {"workers": workers} if workers else {}
    if os.access(config, os.F_OK) and not (options["force"] and _yields(config, options)):
        fleet = loader.load(config, env=os.environ).fleet
        sizes = {"grace_s": fleet.grace_s, "workers": fleet.workers} | sizes
    return sizes


def _wanted(site: "Site", options: dict[str, Any]) -> Iterator[Wanted]:
    """Every folder and file, folders first."""
    from noggin_mp.cli import init_files

    for one in (*reversed(site.folder.parents), site.folder):
        if not os.access(one, os.F_OK):  # whatever the umask: the account must get through
            yield Wanted(path=one, mode=0o755)
    for name, mode in _FOLDERS.items():
        yield Wanted(path=site.folder / name, mode=mode, private=name.startswith("var"))
    given: dict[str, object] = {
        "database.dsn": options["dsn"], "api.namespace": options["namespace"]
    }  # fmt: skip
    if options["workers"]:
        given["fleet.workers"] = options["workers"]
    text = init_files.configuration(site, given, credential=options["systemd"])
    yield Wanted(path=site.config, mode=0o640, text=text)
    for folder, names in (
        ("systemd", init_files.SYSTEMD if options["systemd"] else ()),
        ("supervisord", _programs(numprocs=options["numprocs"]) if options["supervisord"] else ()),
    ):
        if names:
            yield Wanted(path=site.folder / folder, mode=0o755)
        for name in names:
            text = init_files.service_file(name, site)
            yield Wanted(path=site.folder / folder / name, mode=0o644, text=text)
    if options["systemd"] or options["supervisord"]:
        text = init_files.service_file("manage_service.sh", site)
        yield Wanted(path=site.folder / "manage_service.sh", mode=0o755, text=text)


def _programs(*, numprocs: bool) -> tuple[str, ...]:
    return ("supervisord.conf", "noggin-mp-numprocs.conf" if numprocs else "noggin-mp.conf")


def _place(one: Wanted, site: "Site", options: dict[str, Any]) -> str:
    """Make one folder or file, unless it is there; what was (or would be) done, in a word."""
    try:
        there = one.path.is_dir() if one.text is None else _same(one.path, one.text)
        if there:
            return "unchanged"
        replaced = one.path.exists()
        if replaced and not (one.text and options["force"] and _yields(one.path, options)):
            return "kept"
        if not options["dry_run"]:
            _make(one, site, replaced=replaced)
    except OSError as error:
        raise errors.PathUnusable(
            f"{one.path} cannot be written ({error.strerror})",
            remedy="run it as a user who may, or choose another --dir",
        ) from error
    return "replaced" if replaced else "created"


def _yields(path: Path, options: dict[str, Any]) -> bool:
    """Whether --force means this file: the configuration only when no service files are asked for,
    which are made anew from it."""
    return path.name != "noggin.yaml" or not (options["systemd"] or options["supervisord"])


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text("utf-8", "replace") == text


def _make(one: Wanted, site: "Site", *, replaced: bool) -> None:
    """Write it whole, with its mode and owner from the first moment it can be seen."""
    if one.text is None:
        one.path.mkdir(mode=one.mode, parents=True)
        one.path.chmod(one.mode)  # whatever the umask
        _hand_over(one.path, one, site)
        return
    fresh = one.path.with_name(f".{one.path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    try:
        fresh.write_text(one.text, "utf-8")
        fresh.chmod(one.mode)
        _hand_over(fresh, one, site)
        if replaced:
            one.path.rename(_free(one.path))
        fresh.rename(one.path)
    finally:
        fresh.unlink(missing_ok=True)


def _free(path: Path) -> Path:
    """The name that the old file gets: what was put aside before stays, too."""
    names = (f"{path.name}.old{number or ''}" for number in itertools.count())
    return next(one for name in names if not (one := path.with_name(name)).exists())


def _hand_over(path: Path, one: Wanted, site: "Site") -> None:
    """As root: data to the program's user, the configuration to root with his group."""
    from noggin_mp.cli import init_steps

    if os.geteuid() != 0 or not init_steps.exists(site.user):
        return
    entry = pwd.getpwnam(site.user)
    os.chown(path, entry.pw_uid if one.private else 0, entry.pw_gid)


def _shut(program: Path) -> Path | None:
    """The first folder on the way to a program that other users may not enter."""
    for path in (program, program.resolve()):
        for above in reversed(path.parents):
            if not above.stat().st_mode & stat.S_IXOTH:
                return above
    return None
