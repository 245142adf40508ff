"""The token of a worker follows its source, and a source that fails for once takes nothing away."""

from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import schema, secrets
from noggin_mp.worker import credentials


class Clock:
    """Monotonic time as the test sets it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell may take long to start."""
    monkeypatch.setattr(secrets, "COMMAND_S", 120.0)


def source(clock: Clock, **api: object) -> credentials.TokenSource:
    return credentials.TokenSource(schema.Settings.model_validate({"api": api}), clock=clock)


def test_token_file_is_read_again_after_a_second(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("one")
    tokens = source(clock, token_file=str(file))
    before = tokens.fingerprint()
    file.write_text("two")

    assert tokens.token() == "one"
    clock.now += 1.1
    assert tokens.token() == "two"
    assert tokens.fingerprint() != before


def test_command_is_asked_once_a_minute(tmp_path: Path) -> None:
    clock, calls = Clock(), tmp_path / "calls"
    tokens = source(clock, token_command=f"sh -c 'echo x >>{calls}; wc -l <{calls}'")

    assert [tokens.token() for _ in range(3)] == ["1", "1", "1"]
    clock.now += 60.1
    assert tokens.token() == "2"


def test_last_token_stays_when_the_command_fails(tmp_path: Path) -> None:
    clock, file = Clock(), tmp_path / "token"
    tokens = source(clock, token_command=f"cat {file}")
    with pytest.raises(errors.CredentialsError):
        tokens.token()
    file.write_text("tok")
    assert tokens.token() == "tok"

    file.unlink()
    clock.now += 60.1
    assert tokens.token() == "tok"
