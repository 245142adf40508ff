"""SCOPE: a host, or one role of it, as people write it."""

from typing import Final

import click

_ROLES: Final = (":api", ":media")


def parse(written: str) -> str:
    """The scope as the workers write it. Raises: click.BadParameter."""
    from noggin_mp.settings import values

    host, role = written.strip(), ""
    for known in _ROLES:
        if host.lower().endswith(known):
            host, role = host[: -len(known)], known
    try:
        return values.normal_host(host) + role
    except ValueError:
        raise click.BadParameter(
            f"{written!r} is no scope: write a host name, or one with :api or :media behind it"
        ) from None


def covers(wanted: str, scope: str) -> bool:
    """True when `scope` is the wanted one, or a role of the wanted host."""
    return scope == wanted or scope in {wanted + role for role in _ROLES}
