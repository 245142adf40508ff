"""Where the token comes from, and what is said when it cannot be had."""

from pathlib import Path

import pytest

from noggin_mp.domain import errors
from noggin_mp.settings import schema, secrets


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


@pytest.mark.parametrize("token", [None, "", "  "])
def test_read_token_says_what_to_do_when_there_is_none(token: str | None) -> None:
    with pytest.raises(errors.CredentialsError, match="there is no API token") as caught:
        secrets.read_token(settings(token=token))

    assert "NOGGIN_TOKEN" in caught.value.remedy
