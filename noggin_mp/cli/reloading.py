"""How a fleet, or a process alone, reads its configuration again: files, environment, options."""

import socket
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from noggin_mp.cli.context import Context
from noggin_mp.domain import errors

if TYPE_CHECKING:  # pydantic is slow to import, and --help needs no settings
    from noggin_mp.settings.loader import Loaded
    from noggin_mp.settings.schema import Settings
    from noggin_mp.supervisor import contexts

BREAKER_OPTIONS = "breaker_options"
"""Under this name the pins hold what --breaker and its like said: defaults, hosts, roles."""


_BEHIND: tuple[tuple[type[errors.NogginError], tuple[str, ...]], ...] = (
    (errors.CredentialsError, ("api.token_file", "api.token_command", "api.token")),
    (errors.LocalTrouble, ("paths.output",)),
    (errors.DatabaseUnreachable, ("database.dsn",)),
    (errors.SchemaError, ("database.schema", "database.dsn")),
)
"""The keys that a trial is about, by the error it ends with."""


_NAMED = (
    "api.namespace",
    "api.base_url",
    "api.media_url",
    "object_types",
    "attachments.layout",
    "paths.log",
)
"""The keys that errors name themselves."""


class Rereading:
    """Reads the files again, as this command line names and adjusts them."""

    def __init__(self, ctx: Context, adjust: Callable[["Settings"], "Settings"]) -> None:
        self._ctx = ctx
        self._adjust = adjust
        self._first = self._latest = ctx.loaded
        self._said = frozenset(self.said())

    def read(self) -> "Settings":
        """The settings as of now. Raises: ConfigError.

        A file that is gone, or in which suddenly nothing is written, is a mishap: it would set
        everything to its default.
        """
        fresh = self._ctx.load()
        if self._first.file is not None and fresh.file != self._first.file:
            raise errors.ConfigError(
                f"{self._first.file}: there is no such file any more",
                remedy="put it back, or restart the service to do without it",
            )
        emptied = sorted(fresh.empty & self._said)
        if emptied:
            raise errors.ConfigError(
                f"{emptied[0]}: nothing is written in it, and a reload would set all that it had"
                " said to the defaults",
                remedy="restart the service if that is meant",
            )
        self._latest = fresh
        try:
            return self._adjust(fresh.settings)
        except errors.NogginError as error:
            raise self.placed(error) from error

    def origin(self, key: str) -> str:
        """Where a key stands in what was read last."""
        found: Mapping[Any, Any] = self._latest.origins
        return str(found.get(tuple(key.split(".")), ""))

    def placed(self, error: errors.NogginError) -> errors.NogginError:
        """The error with the place of the key behind it, where it does not tell one itself."""
        if isinstance(error, errors.ConfigError) and error.problems:
            return error
        keys = next((keys for kind, keys in _BEHIND if isinstance(error, kind)), ())
        keys = keys or tuple(key for key in _NAMED if key in str(error))
        place = next(filter(None, map(self.origin, keys)), "")
        if not place:
            return error
        return type(error)(f"{place}: {error.message}", remedy=error.remedy)

    def said(self) -> frozenset[str]:
        """The files in which something was written when they were read last."""
        return frozenset(map(str, self._latest.files)) - self._latest.empty

    def accept(self, files: Collection[str]) -> None:
        """From now on it is a mishap when one of these is empty."""
        self._said = frozenset(files)

    def texts(self) -> Mapping[str, str]:
        """What the files held when they were read last."""
        return self._latest.texts


def source(
    ctx: Context,
    adjust: Callable[["Settings"], "Settings"],
    *,
    examine: "Callable[[Settings, Collection[str]], None]",
    pinned: Mapping[str, Any] = MappingProxyType({}),
) -> "contexts.Source":
    """Where this command's configuration comes from; `pinned` are keys that its options fix."""
    from noggin_mp.supervisor import contexts

    again = Rereading(ctx, adjust)

    def tried(fresh: "Settings", rolled: Collection[str]) -> None:
        try:
            examine(fresh, rolled)
        except errors.NogginError as error:
            raise again.placed(error) from error

    options = [list(ctx.breaker_defaults), list(ctx.breaker_hosts), list(ctx.breaker_roles)]
    file: Loaded = ctx.loaded
    return contexts.Source(
        read=again.read,
        examine=tried,
        origin=again.origin,
        texts=again.texts,
        said=again.said,
        accept=again.accept,
        file=None if file.file is None else Path(file.file).absolute(),
        pinned={**pinned, BREAKER_OPTIONS: options},
    )


def examine_worker(fresh: "Settings", rolled: Collection[str]) -> None:
    """Try what workers will need, in a process of its own: the token in any case.

    With `rolled` keys changed, also the output folder, the object types, the layout, the API's
    addresses, and the database with its schema. Raises: NogginError.
    """
    import warnings

    from noggin_mp.gateway import files, http
    from noggin_mp.settings import catalogue, layouts, secrets

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", secrets.OpenToken)
        token = secrets.read_token(fresh)
    if not rolled:
        return
    catalogue.of(fresh)
    layouts.compiled(fresh.attachments.layout)
    api = fresh.api
    http.Client(
        base_url=api.base_url,
        media_url=api.media_url,
        namespace=api.namespace,
        token=lambda: token,
    ).close()
    if "api.base_url" in rolled:
        _resolve(api.host)
    files.ensure_writable(fresh.paths.output)
    if "paths.log" in rolled:
        try:
            files.ensure_writable(fresh.paths.log)
        except errors.LocalTrouble as error:  # whose place would be that of paths.output
            raise errors.ConfigError(f"paths.log: {error.message}", remedy=error.remedy) from error
    examine_database(fresh, rolled)


def _resolve(host: str) -> None:
    """Raises: ConfigError when nobody knows a machine of that name; no proxy could help."""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise errors.ConfigError(
            f"api.base_url: the host {host} is not found ({error.strerror or error})",
            remedy="correct it, or see to the name service of this machine",
        ) from error


def examine_database(fresh: "Settings", rolled: Collection[str]) -> None:
    """Try the database, when it may be another one. Raises: DatabaseUnreachable, SchemaError."""
    if not rolled:
        return
    from noggin_mp.store import dsn, pooler, schema, session

    where = dsn.resolve(fresh.database.dsn, fresh.paths.state, start=False)
    name = fresh.database.schema_name
    with (
        session.telling(where),
        session.connect(where, schema=name, application_name="noggin-mp reload") as connection,
    ):
        pooler.check(connection)
        schema.check(connection, name)


def pin(settings: "Settings", pinned: Mapping[str, Any]) -> "Settings":
    """The settings with what a running supervisor's command line fixes."""
    for key, value in pinned.items():
        section, _, name = key.partition(".")
        if name:
            part = getattr(settings, section).model_copy(update={name: value})
            settings = settings.model_copy(update={section: part})
    return settings
