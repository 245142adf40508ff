"""The API token, from where the settings say it is."""

import warnings

from noggin_mp.domain import errors
from noggin_mp.settings import checks
from noggin_mp.settings.schema import Settings

_REMEDY = "set api.token_file (or api.token: ${NOGGIN_TOKEN}) in the configuration"


class OpenToken(UserWarning):
    """The token file can be read by every user of the machine."""


def read_token(settings: Settings) -> str:
    """The token without white space around it; `api.token_file` is read anew each time.

    Warns: OpenToken. Raises: CredentialsError when there is none, or its file is unusable.
    """
    api = settings.api
    if api.token is not None:
        return _checked(api.token.get_secret_value(), "api.token")
    if api.token_file is None:
        raise errors.CredentialsError("there is no API token", remedy=_REMEDY)
    file = api.token_file
    try:
        text = file.read_text("utf-8-sig")
        if checks.is_open_to_all(file):
            warnings.warn(
                OpenToken(f"{file} can be read by every user; run: chmod 600 {file}"), stacklevel=2
            )
    except FileNotFoundError:
        raise errors.CredentialsError(
            f"the token file {file} does not exist",
            remedy="create it with mode 0600, holding only the token",
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
