"""Read the configuration again while the fleet works: a faulty one changes nothing."""

from collections.abc import Callable

from noggin_mp.domain import errors
from noggin_mp.observe import logs
from noggin_mp.settings import schema

log = logs.get("supervisor")


def read(
    old: schema.Settings, reader: Callable[[], schema.Settings]
) -> tuple[schema.Settings | None, str | None]:
    """The new settings, or None with the reason, on one line, why the old ones stay."""
    try:
        fresh = reader()
        _check_fixed(old, fresh)
    except errors.NogginError as error:
        problems = error.problems if isinstance(error, errors.ConfigError) else ()
        reason = "; ".join(map(str, problems)) or str(error)
        log.error("config_rejected", reason=reason)
        return None, reason
    except Exception as error:
        log.exception("config_rejected", reason="a bug in noggin_mp")
        return None, f"the configuration could not be read: {type(error).__name__}"
    return fresh, None


def _check_fixed(old: schema.Settings, fresh: schema.Settings) -> None:
    """Refuse what is bound for the supervisor's life. Raises: ConfigError."""
    for key, before, after in (
        ("paths.state", old.paths.state, fresh.paths.state),
        ("monitor.bind", old.monitor.bind, fresh.monitor.bind),
    ):
        if before != after:
            raise errors.ConfigError(
                f"{key} cannot change from {before} to {after} while the fleet runs",
                remedy="restart the service to change it",
            )
