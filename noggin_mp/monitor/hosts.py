"""The leader's eye on the other hosts: who fell silent, who is gone, who is back, told once."""

from collections.abc import Mapping

from noggin_mp.observe import logs

log = logs.get("hosts")

_LIVING = frozenset({"up", "draining"})


class Watch:
    """Remembers how each host was; the first look tells only of those that are silent."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def look(self, states: Mapping[str, tuple[str, float]]) -> None:
        """Log what changed: `states` is each host's state and for how long it has been silent."""
        for host, (state, silent_s) in states.items():
            before = self._known.get(host)
            if state == before:
                continue
            if state == "silent":
                log.warning("host_silent", host=host, silent_s=round(silent_s, 1))
            elif state == "gone" and before is not None:
                log.error("host_gone", host=host, silent_s=round(silent_s))
            elif state == "stopped" and before is not None:
                log.info("host_signed_off", host=host)
            elif state in _LIVING and before is not None and before not in _LIVING:
                log.info("host_back", host=host)
        self._known = {host: state for host, (state, _) in states.items()}
