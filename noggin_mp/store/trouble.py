"""What the database's absence looks like to whoever uses it."""

from typing import Final

import psycopg

from noggin_mp.domain import errors

AWAY: Final = (
    psycopg.OperationalError,  # gone, restarting, full, out of time; also no session in the pool
    psycopg.InterfaceError,  # a session that broke earlier is used once more
    psycopg.errors.ReadOnlySqlTransaction,  # in mid-failover: this one is not the primary (yet)
    errors.DatabaseUnreachable,
)
"""Errors after which one waits and tries again, because they may heal by themselves."""
