"""The end of a run, written into session_log as far as the database can be reached."""

import contextlib
from typing import TYPE_CHECKING, Any, Final

from noggin_mp.domain import errors

if TYPE_CHECKING:  # pydantic is slow to import, and --help needs no settings
    from noggin_mp.settings.schema import Settings

_APPLICATION: Final = "noggin-mp session"
_LAST_WORD_S: Final = 3
"""How long the database may take in all, also one that is frozen: the fleet has ended by then, and
whoever stops it waits for grace and 5 s."""


def end(settings: "Settings", name: str, exit_code: int, reason: str) -> None:
    """Write how the run ended, from a short-lived child: the supervisor has no session of its own.

    `name` is that of the run's session file. A database that is away is not waited for.
    """
    from noggin_mp.store import dsn, session, sessions
    from noggin_mp.supervisor import pidfile, preflight

    def write() -> dict[str, Any]:
        where = dsn.resolve(settings.database.dsn, settings.paths.state, start=False)
        connection = session.connect(
            where,
            schema=settings.database.schema_name,
            application_name=_APPLICATION,
            statement_timeout_s=_LAST_WORD_S,
            connect_timeout_s=_LAST_WORD_S,
        )
        with contextlib.closing(connection):
            sessions.finish(
                connection,
                host=settings.fleet.host,
                name=name,
                instance=pidfile.instance(settings.paths.state),
                exit_code=exit_code,
                reason=reason,
            )
        return {}

    with contextlib.suppress(errors.NogginError):
        preflight.run(write, within_s=_LAST_WORD_S)
