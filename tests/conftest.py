"""The parts every test may ask for: a real Postgres server, fresh databases, a connection."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from noggin_mp.store import session
from tests.support import postgres

# How long an example took says nothing on a busy machine; what it came to does.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Names the run in its first process; xdist's workers inherit the name.

    A shell that starts us in the background has SIGINT ignored, and what we start would inherit it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        postgres.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes what the run made, when its first process ends."""
    if not hasattr(config, "workerinput") and postgres.RUN in os.environ:
        postgres.end(Path(os.environ.pop(postgres.RUN)))


@pytest.fixture(scope="session")
def server_dsn() -> str:
    """A DSN of a server whose role may create databases."""
    return postgres.server_dsn()


@pytest.fixture
def database(server_dsn: str) -> Iterator[str]:
    """The DSN of a fresh, empty database."""
    dsn = postgres.create_database(server_dsn)
    yield dsn
    postgres.drop_database(dsn)


@pytest.fixture
def migrated(server_dsn: str) -> Iterator[str]:
    """The DSN of a fresh database with all migrations."""
    template = postgres.migrated_template(server_dsn)
    dsn = postgres.create_database(server_dsn, template=template)
    postgres.migrate(dsn)
    yield dsn
    postgres.drop_database(dsn)


@pytest.fixture
def conn(migrated: str) -> Iterator[session.Connection]:
    """An autocommit session with a migrated database, its search_path on our schema."""
    connection = session.connect(migrated, schema=postgres.SCHEMA, application_name="tests")
    yield connection
    connection.close()
