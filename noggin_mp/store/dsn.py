"""Which database to use: the one configured, else the embedded one."""

from pathlib import Path

from noggin_mp.domain import errors


def resolve(dsn: str, state: Path, *, start: bool) -> str:
    """The DSN given, or the embedded server's when it is empty; `start` starts that one if need be.

    Raises: DatabaseUnreachable when the embedded server does not run and may not be started;
    what `embedded.ensure_running` raises.
    """
    if dsn.strip():
        return dsn.strip()
    from noggin_mp.store import embedded  # most configurations name a database, and need none of it

    if start:
        return embedded.ensure_running(state)
    found = embedded.status(state)
    if found is None or not found.running:
        raise errors.DatabaseUnreachable(
            f"the embedded database of {state} is not running", remedy="run noggin-mp db start"
        )
    return found.dsn
