"""What tests of verbs share: signal handlers put back, a patient for the doctor, a place."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from noggin_mp.cli import doctor_api, doctor_database, doctor_machine, doctor_services, findings
from tests.support import fault_server, postgres
from tests.support.patient import Patient


@pytest.fixture(autouse=True)
def keep_signals() -> Iterator[None]:
    """Commands set handlers of their own in this process."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def api() -> Iterator[fault_server.FaultServer]:
    """An API that knows no record, and takes any token, unless it is told otherwise."""
    with fault_server.running() as server:
        yield server


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A doctor whose checks may take as long as they do on a machine that is very busy."""
    assert findings.run.__kwdefaults__["limit_s"] == findings.LIMIT_S
    monkeypatch.setitem(findings.run.__kwdefaults__, "limit_s", 300.0)
    for module in (doctor_api, doctor_database, doctor_services):
        monkeypatch.setattr(module, "_TIMEOUT_S", 60)
    monkeypatch.setattr(doctor_database, "_HEARD_S", 60.0)
    monkeypatch.setattr(doctor_database, "_SLOW_S", 60.0)
    monkeypatch.setattr(doctor_machine, "_SLOW_FSYNC_S", 60.0)


@pytest.fixture
def patient(
    tmp_path: Path, migrated: str, api: fault_server.FaultServer, unhurried: None
) -> Patient:
    """An installation that is well."""
    made = Patient(tmp_path, migrated, api)
    made.spoil("api", read_timeout_s=60)
    return made


@pytest.fixture
def home() -> Path:
    """A short path: supervisord's socket goes there."""
    return postgres.scratch() / "n"


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port of loopback where nobody listens: it is ours meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
