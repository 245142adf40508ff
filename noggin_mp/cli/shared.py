"""Options that several verbs share, as one decorator."""

from collections.abc import Callable
from typing import Any, TypeVar

Command = TypeVar("Command", bound=Callable[..., Any])


def options(*chosen: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """A decorator: the command takes all of these click options, shown by --help in this order."""

    def decorated(command: Command) -> Command:
        for option in reversed(chosen):
            command = option(command)
        return command

    return decorated
