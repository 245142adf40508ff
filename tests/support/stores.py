"""The breaker's store as several workers see it, each through sessions of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from noggin_mp.store import breaker as store
from noggin_mp.store import session
from tests.support import postgres

Make = Callable[[str], store.Store]


@contextmanager
def workers(dsn: str) -> Iterator[Make]:
    """What makes the store of the worker of a given name (host/slot)."""
    with ExitStack() as stack:

        def make(name: str) -> store.Store:
            pool = session.open_pool(dsn, schema=postgres.SCHEMA, application_name=name)
            return store.Store(stack.enter_context(pool), worker=name)

        yield make
