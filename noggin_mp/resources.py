"""Where the project's data folders lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path
from typing import Final

_IN_CHECKOUT: Final = {"services": "supervisor"}
"""Folders that are called otherwise there: in the package, `supervisor` is a package."""


def folder(name: str) -> Path:
    """The data folder called `name` (`sql`, `config`, `grafana` or `services`).

    Raises: FileNotFoundError when the installation lacks it, which is a packaging fault.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / name, package.parent / _IN_CHECKOUT.get(name, name)):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation has no {name}/ folder beside {package}")
