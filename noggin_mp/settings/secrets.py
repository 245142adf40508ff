"""The API token, from where the settings say it is."""

import os
import shlex
import subprocess
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from noggin_mp.domain import errors, redaction
from noggin_mp.settings import file_bytes, secret_files
from noggin_mp.settings.schema import Settings

COMMAND_S: Final = 10.0
"""A command that gives the token must end within so many seconds."""
COMMAND_FRESH_S: Final = 60.0
"""So long a token from a command is used before the command is asked again."""
_CREDENTIAL: Final = "token"
"""The name of the systemd credential. Source: systemd.exec(5), CREDENTIALS_DIRECTORY."""
_REMEDY: Final = "set api.token_file (or api.token: ${NOGGIN_TOKEN}) in the configuration"


class OpenToken(UserWarning):
    """The token file can be read by every user of the machine."""


def has_source(settings: Settings, *, env: Mapping[str, str] = os.environ) -> bool:
    """True when the settings, or systemd, say where a token is."""
    api = settings.api
    named = api.token is not None or api.token_file is not None or bool(api.token_command)
    return named or credential(env) is not None


def origin(settings: Settings, *, env: Mapping[str, str] = os.environ) -> str:
    """Where the token comes from, for people: a key, a file, a program; never the token."""
    api = settings.api
    if api.token is not None:
        return "api.token"
    if api.token_command:
        return f"the command {shlex.split(api.token_command)[0]}"
    file = api.token_file or credential(env)
    return f"the file {file}" if file is not None else "nowhere"


def credential(env: Mapping[str, str] = os.environ) -> Path | None:
    """The file of systemd's credential, when this service was given one."""
    folder = env.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / _CREDENTIAL if folder else None
    return file if file is not None and secret_files.is_there(file) else None


def fresh_s(settings: Settings) -> float:
    """So many seconds a token that was read may be used before it is read again."""
    return COMMAND_FRESH_S if settings.api.token_command else 1.0


def read_token(settings: Settings, *, env: Mapping[str, str] = os.environ) -> str:
    """The token without white space around it; files and commands are asked anew each time.

    Warns: OpenToken. Raises: CredentialsError when there is none, or its source is unusable.
    """
    api = settings.api
    if api.token is not None:
        return _checked(api.token.get_secret_value(), "api.token")
    if api.token_command:
        return _from_command(shlex.split(api.token_command))
    file = api.token_file or credential(env)
    if file is None:
        raise errors.CredentialsError("there is no API token", remedy=_REMEDY)
    return _from_file(file)


def _from_file(file: Path) -> str:
    try:
        text = file_bytes.read(file).decode("utf-8-sig")
        if secret_files.is_open_to_all(file):
            told = f"{file} can be read by every user; {secret_files.closing(file)}"
            warnings.warn(OpenToken(told), stacklevel=3)
    except FileNotFoundError:
        raise errors.CredentialsError(
            f"the token file {file} does not exist",
            remedy="create it with mode 0600, holding only the token",
        ) from None
    except file_bytes.Unfit as error:
        raise errors.CredentialsError(
            f"the token file {file} {error.message}", remedy="it must hold only the token"
        ) from None
    except UnicodeDecodeError:
        raise errors.CredentialsError(
            f"the token file {file} is not text", remedy="it must hold only the token"
        ) from None
    except OSError as error:
        raise errors.CredentialsError(
            f"the token file {file} cannot be read: {error.strerror}",
            remedy="make it readable for the user the fleet runs as",
        ) from None
    return _checked(text, f"the token file {file}")


def _from_command(words: list[str]) -> str:
    """What a program prints. It runs without a shell; its output is shown nowhere."""
    what = f"api.token_command: {words[0]}"
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise errors.CredentialsError(
            f"{what} gave no token within {COMMAND_S:g} s", remedy="run it by hand as this user"
        ) from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise errors.CredentialsError(
            f"{what} cannot be run: {said}", remedy="give the program's whole path"
        ) from None
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        told = redaction.scrub(f": {lines[-1][:200]}") if lines else ""
        raise errors.CredentialsError(
            f"{what} ended with {done.returncode}{told}", remedy="run it by hand as this user"
        )
    return _checked(done.stdout.decode("utf-8", "replace"), f"the output of {words[0]}")


def _checked(text: str, where: str) -> str:
    token = text.strip()
    if not token:
        raise errors.CredentialsError(f"{where} is empty", remedy="put the token there")
    if any(char.isspace() or not char.isprintable() or not char.isascii() for char in token):
        raise errors.CredentialsError(
            f"{where} holds something else than one token",
            remedy="a token is one word of plain characters, without quotes or line breaks",
        )
    return token
