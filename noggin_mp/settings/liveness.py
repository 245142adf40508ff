"""What becomes of a changed key at a reload: applied in place, by new processes, or refused."""

from enum import StrEnum

from noggin_mp.settings.document import KeyPath


class Liveness(StrEnum):
    """How a change of a key reaches a fleet at work; the values are what people read."""

    LIVE = "live"
    """The running processes take it over; none is replaced."""
    ROLLED = "rolled"
    """Workers are replaced one after another, the monitor last."""
    FIXED = "restart"
    """Bound for the supervisor's life: a reload refuses it."""


_BY_KEY = {
    "api": Liveness.ROLLED,
    "api.token": Liveness.LIVE,
    "api.token_command": Liveness.LIVE,
    "api.token_file": Liveness.LIVE,
    "attachments": Liveness.ROLLED,
    "attachments.min_free_bytes": Liveness.LIVE,
    "breaker": Liveness.LIVE,
    "database": Liveness.ROLLED,
    "fleet": Liveness.LIVE,
    "fleet.host": Liveness.ROLLED,
    "log": Liveness.LIVE,
    "monitor": Liveness.ROLLED,
    "monitor.bind": Liveness.FIXED,
    "notify": Liveness.LIVE,
    "object_types": Liveness.ROLLED,
    "pacing": Liveness.LIVE,
    "paths": Liveness.ROLLED,
    "paths.state": Liveness.FIXED,
    "queue": Liveness.LIVE,
    "retry": Liveness.LIVE,
    "timezone": Liveness.ROLLED,
}
"""By key, or by the section it is in; the longest that fits counts."""

_BY_NAME = {"max_concurrent": Liveness.ROLLED}
"""By the key's own name, in whatever layer it stands. Its places are counted in the database."""


def of(path: KeyPath) -> Liveness:
    """What becomes of a change of the key at `path`. Raises: LookupError for an undeclared one."""
    if path[0] == "pacing" and str(path[-1]) in _BY_NAME:
        return _BY_NAME[str(path[-1])]
    for length in range(len(path), 0, -1):
        found = _BY_KEY.get(".".join(str(part) for part in path[:length]))
        if found is not None:
            return found
    raise LookupError(f"settings.liveness does not say what becomes of {path}")
