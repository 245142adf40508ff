"""What every command has at hand: settings, the DSN, and the two ways to speak (data, notes)."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from noggin_mp.cli import ahead, streams
from noggin_mp.domain import errors

if TYPE_CHECKING:  # pydantic is slow to import, and --help needs no settings
    from noggin_mp.settings.loader import Loaded
    from noggin_mp.settings.schema import Settings

SCHEMA_VERSION = 1


class Context:
    """The global options, and what follows from them. Data goes to stdout, notes to stderr."""

    def __init__(self) -> None:
        self.config: Path | None = None
        self.json = False
        self.quiet = False
        self.verbose = False
        self.no_color = False
        self.breaker_defaults: tuple[str, ...] = ()
        self.breaker_hosts: tuple[str, ...] = ()
        self.breaker_roles: tuple[str, ...] = ()
        self._reader: ahead.Reader | None = None

    def read_ahead(self) -> None:
        """Let the settings be read beside what this verb imports next; for verbs that only look.

        They may then go by `essentials`; `settings` are read by this process as ever. What can be
        read only once (`-c <(program)`) is left to this process, which tells its faults.
        """
        named = self.config or os.environ.get("NOGGIN_CONFIG")
        if not named or os.path.isfile(named):  # noqa: PTH113 - Path.is_file may raise
            self._reader = ahead.start(self.config)

    @cached_property
    def essentials(self) -> ahead.Essentials:
        """The few settings that most verbs need. Raises: ConfigError."""
        reader, self._reader = self._reader, None
        found = reader.told() if reader else None
        return found or ahead.Essentials.of(self.settings)

    @cached_property
    def loaded(self) -> "Loaded":
        """The settings with their origins, read at first use. Raises: ConfigError."""
        return self.load()

    def load(self) -> "Loaded":
        """The settings as of now: file, environment, and this command line. Raises: ConfigError."""
        from noggin_mp.settings import breaker_forms, loader

        options = breaker_forms.Options(
            defaults=self.breaker_defaults, hosts=self.breaker_hosts, roles=self.breaker_roles
        )
        return loader.read(self.config, env=os.environ, options=options)

    @cached_property
    def last_good(self) -> "Loaded | None":
        """What the fleet that was started with this file has last read; None when none runs."""
        from noggin_mp.settings import loader
        from noggin_mp.supervisor import running

        file, _ = loader.find(self.config, env=os.environ)
        texts = running.texts(file) if file is not None else {}
        return loader.read_again(texts, env=os.environ) if texts else None

    def fall_back(self) -> str:
        """Go by the configuration that the fleet runs with, when the one on disk is broken.

        Gives what is wrong with it; empty when nothing is. Raises: ConfigError when no fleet runs
        that was started with this file.
        """
        try:
            _ = self.essentials
        except errors.ConfigError as error:
            if self.last_good is None:
                raise
            self.loaded = self.last_good
            return str(error)
        return ""

    @property
    def state_folder(self) -> Path:
        """paths.state, also while the configuration is broken that a fleet was started with.

        Raises: ConfigError when it is broken and no such fleet runs.
        """
        try:
            return self.settings.paths.state
        except errors.ConfigError:
            if self.last_good is None:
                raise
            return self.last_good.settings.paths.state

    @property
    def settings(self) -> "Settings":
        """The settings, read at first use. Raises: ConfigError."""
        return self.loaded.settings

    @property
    def color(self) -> bool:
        """True when stdout may be coloured: a terminal, and nobody asked otherwise."""
        return not self.no_color and not os.environ.get("NO_COLOR") and sys.stdout.isatty()

    def dsn(self, start: bool = True) -> str:
        """The DSN to connect to; with none configured, that of the embedded server.

        `start` false leaves an embedded server that is down as it is, which raises.
        Raises: ConfigError, DatabaseUnreachable.
        """
        from noggin_mp.store import dsn

        known = self.essentials
        return dsn.resolve(known.dsn, known.state_folder, start=start)

    def emit(self, data: Mapping[str, Any], human: Callable[[], str] | str) -> None:
        """Print `data` as one line of JSON with --json, else `human`.

        Raises: LocalTrouble when it cannot be written; BrokenPipeError when nobody reads it.
        """
        if self.json:
            text, color = dumps(data), None
        else:
            text, color = human if isinstance(human, str) else human(), self.color
        if not text:
            return
        try:
            click.echo(text, color=color)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise streams.trouble(error) from error

    def note(self, message: str) -> None:
        """Tell a person something on stderr, unless -q; what cannot be told stops nothing."""
        if self.quiet:
            return
        try:
            click.echo(message, err=True)
        except BrokenPipeError:
            raise
        except OSError:
            return

    def exit(self, code: int) -> NoReturn:
        """End the command with this exit code."""
        raise click.exceptions.Exit(code)


def dumps(data: Mapping[str, Any]) -> str:
    """`data` as one line of JSON with `schema_version`; times are ISO, other things their text."""
    versioned = {"schema_version": SCHEMA_VERSION, **data}
    return json.dumps(versioned, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


pass_context = click.make_pass_decorator(Context, ensure=True)
"""Decorator: the command's first argument is the `Context`."""
