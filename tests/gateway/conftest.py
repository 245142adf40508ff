"""A fault server and clients; patient ones, but where a test is about patience."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from noggin_mp.gateway import http
from tests.support import fault_server, gateway

PATIENT = http.Timeouts(
    connect_s=60.0, read_s=60.0, deadline_s=120.0, min_rate_bytes_s=1000, rate_window_s=60.0
)
"""For answers that come: on a busy machine seconds may pass before the server's thread runs."""
IMPATIENT = {
    "read_timeout": replace(PATIENT, read_s=0.3),
    "deadline": replace(PATIENT, deadline_s=1.0),
    "too_slow": replace(PATIENT, rate_window_s=0.2),
}
"""For answers that do not: each can end in one way only, however slow the machine is."""


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
            "timeouts": PATIENT,
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
    """A client that waits for its answer."""
    return make_client()
