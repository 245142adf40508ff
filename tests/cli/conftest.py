"""What tests of verbs share: signal handlers put back, and a patient for the doctor."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import fault_server
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
def patient(tmp_path: Path, migrated: str, api: fault_server.FaultServer) -> Patient:
    """An installation that is well."""
    return Patient(tmp_path, migrated, api)
