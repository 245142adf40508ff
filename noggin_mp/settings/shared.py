"""What of a host's settings should be the same on every host of a fleet."""

from typing import Any, Final

from noggin_mp.domain import agreement
from noggin_mp.settings.schema import Settings

_COUNTED: Final = ("rate", "max_concurrent")


def told(settings: Settings) -> dict[str, Any]:
    """The policies that these settings come to at the API's host, all layers merged."""
    return agreement.told(
        settings.api.host, api=_policy(settings, "api"), media=_policy(settings, "media")
    )


def _policy(settings: Settings, role: str) -> dict[str, Any]:
    host = settings.api.host
    pacing: dict[str, Any] = dict(settings.pacing_policy(host, role))
    for key in _COUNTED:  # the same number, counted by itself, is another limit
        if pacing[key] is not None and settings.pacing_scope(host, role, key) != host:
            pacing[key] = f"{pacing[key]}, {role} alone"
    return {
        **{f"breaker.{key}": value for key, value in settings.breaker_policy(host, role).items()},
        **{f"pacing.{key}": value for key, value in pacing.items()},
    }
