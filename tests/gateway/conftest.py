"""A fault server and clients with short patience."""

from collections.abc import Callable, Iterator

import pytest

from noggin_mp.gateway import http
from tests.support import fault_server, gateway


@pytest.fixture
def server() -> Iterator[fault_server.FaultServer]:
    """The server whose faults a test chooses."""
    with fault_server.running() as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[fault_server.FaultServer]:
    """Another origin, which must never hear from us."""
    with fault_server.running() as running:
        yield running


MakeClient = Callable[..., http.Client]


@pytest.fixture
def make_client(server: fault_server.FaultServer) -> Iterator[MakeClient]:
    """A factory of clients for `server`; keyword arguments override the defaults."""
    made: list[http.Client] = []

    def make(**overrides: object) -> http.Client:
        settings: dict[str, object] = {
            "base_url": server.base_url,
            "namespace": gateway.NAMESPACE,
            "token": lambda: gateway.TOKEN,
            "timeouts": gateway.SHORT,
            "threads": 2,
            "user_agent": "noggin-mp/0.1.0 host/0",
        }
        client = http.Client(**(settings | overrides))  # type: ignore[arg-type]
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(make_client: MakeClient) -> http.Client:
    """A client with short patience."""
    return make_client()
