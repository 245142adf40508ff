"""Where the token comes from, and what is said when it cannot be had."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import checks, notifying, schema, secret_files, secrets
from tests.support import descriptors


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a command may take longer to start than people would wait."""
    monkeypatch.setattr(secrets, "COMMAND_S", 120.0)


def settings(**api: object) -> schema.Settings:
    return schema.Settings.model_validate({"api": api})


def test_read_token_gives_the_key_when_it_is_given() -> None:
    assert secrets.read_token(settings(token="  abc \n")) == "abc"


@pytest.mark.parametrize("content", ["tok", " tok\n", "\ufefftok\r\n"])
def test_read_token_gives_the_files_word_when_there_is_white_space(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    file.chmod(0o600)

    assert secrets.read_token(settings(token_file=str(file))) == "tok"


def test_read_token_reads_anew_when_the_file_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    known = settings(token_file=str(file))
    for token in ("one", "two"):
        file.write_text(token, encoding="utf-8")
        assert secrets.read_token(known) == token


def test_read_token_warns_when_everybody_may_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("tok", encoding="utf-8")
    file.chmod(0o644)

    with pytest.warns(secrets.OpenToken, match="chmod 600"):
        assert secrets.read_token(settings(token_file=str(file))) == "tok"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two words", "something else than one token"),
        (b"caf\xc3\xa9", "something else than one token"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_read_token_says_what_to_do_when_the_file_is_unusable(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
        file.chmod(0o600)

    with pytest.raises(errors.CredentialsError, match=message) as caught:
        secrets.read_token(settings(token_file=str(file)))

    assert caught.value.exit_code == 4
    assert caught.value.remedy
    assert "words" not in str(caught.value)


def test_read_token_says_what_to_do_when_the_file_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(errors.CredentialsError, match="cannot be read"):
        secrets.read_token(settings(token_file=str(tmp_path)))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (os.mkfifo, "is a pipe into which nobody writes"),
        (lambda file: file.symlink_to("/dev/zero"), "is larger than 1 MiB"),
        (lambda file: file.symlink_to("/dev/null"), "is empty"),
    ],
)
def test_read_token_neither_waits_nor_grows_when_the_file_is_none(
    make: Callable[[Path], object], told: str, tmp_path: Path
) -> None:
    make(tmp_path / "token")
    with pytest.raises(errors.CredentialsError, match=told):
        secrets.read_token(settings(token_file=str(tmp_path / "token")))
    with pytest.raises(errors.CredentialsError):
        notifying.secret(None, tmp_path / "token", "notify.email.password_file")


def test_read_token_waits_for_a_pipe_when_a_thousand_files_are_open() -> None:
    reading, writing = os.pipe()
    later = threading.Timer(0.3, lambda: (os.write(writing, b"tok"), os.close(writing)))
    with descriptors.held():
        later.start()
        assert secrets.read_token(settings(token_file=f"/dev/fd/{reading}")) == "tok"
    later.join()
    os.close(reading)


@pytest.mark.parametrize("token", [None, "", "  "])
def test_read_token_says_what_to_do_when_there_is_none(token: str | None) -> None:
    with pytest.raises(errors.CredentialsError, match="there is no API token") as caught:
        secrets.read_token(settings(token=token))

    assert "NOGGIN_TOKEN" in caught.value.remedy


def script(folder: Path, text: str) -> str:
    file = folder / "give token"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return f"'{file}' --for 'noggin mp'"


def test_read_token_takes_what_a_command_prints(tmp_path: Path) -> None:
    command = script(tmp_path, '[ "$1,$2" = "--for,noggin mp" ] && echo tok; echo noise >&2')

    assert secrets.read_token(settings(token_command=command)) == "tok"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo denied: no lease >&2; exit 3", "ended with 3: denied: no lease"),
        ("exit 0", "the output of .* is empty"),
        ("echo two words", "something else than one token"),
    ],
)
def test_read_token_says_what_to_do_when_the_command_fails(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(errors.CredentialsError, match=message) as caught:
        secrets.read_token(settings(token_command=script(tmp_path, text)))

    assert caught.value.remedy
    assert "two words" not in str(caught.value)


def test_read_token_says_what_to_do_when_there_is_no_such_command() -> None:
    with pytest.raises(errors.CredentialsError, match="cannot be run: No such file"):
        secrets.read_token(settings(token_command="/nowhere/at-all --now"))


def test_read_token_gives_up_when_the_command_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "COMMAND_S", 0.05)

    with pytest.raises(errors.CredentialsError, match="no token within"):
        secrets.read_token(settings(token_command=script(tmp_path, "exec sleep 60")))


def test_read_token_takes_systemds_credential_when_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-systemd\n")
    (tmp_path / "token").chmod(0o400)
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    assert secrets.read_token(settings(), env=env) == "from-systemd"
    assert secrets.read_token(settings(token="mine"), env=env) == "mine"
    assert secrets.has_source(settings(), env=env)
    assert secrets.origin(settings(), env=env) == f"the file {tmp_path}/token"
    (tmp_path / "token").unlink()
    assert not secrets.has_source(settings(), env=env)


@pytest.mark.parametrize("line", ["vault 'read", '"" x'])
def test_token_command_is_refused_when_it_is_no_command_line(line: str) -> None:
    with pytest.raises(ValueError, match="token_command"):
        settings(token_command=line)


@contextlib.contextmanager
def shut(folder: Path) -> Iterator[None]:
    """Nobody may enter the folder, not even root: it looks with another's eyes meanwhile."""
    folder.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_token_is_refused_as_a_credential_when_its_folder_is_shut(tmp_path: Path) -> None:
    """It is no bug of ours, and no reason to start again: exit code 4."""
    folder = tmp_path / "shut"
    folder.mkdir()
    file = folder / "token"
    file.write_text("tok", encoding="utf-8")
    named = settings(token_file=str(file))
    given = {"CREDENTIALS_DIRECTORY": str(folder)}

    with shut(folder):
        assert list(checks.notes(settings(token_file=str(file), namespace="n"))) == []
        assert secrets.has_source(settings(), env=given)
        for known, env in ((named, {}), (settings(), given)):
            with pytest.raises(errors.CredentialsError, match="cannot be read: Permission denied"):
                secrets.read_token(known, env=env)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize(
    ("uid", "gid", "expected"),
    [
        (0, 0, "run: chmod 600 {file}"),
        (0, 65534, "run: chmod 640 {file}"),
        (65534, 0, "run: sudo chmod 640 {file}"),
        (65534, 65534, "run: sudo chgrp 0 {file} && sudo chmod 640 {file}"),
    ],
)
def test_closing_leaves_the_file_open_for_this_user_and_the_service(
    tmp_path: Path, uid: int, gid: int, expected: str
) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o644)
    os.chown(file, uid, gid)

    assert secret_files.closing(file) == expected.format(file=file)
