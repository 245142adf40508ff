"""Where the project's data folders lie: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path


def folder(name: str) -> Path:
    """The data folder called `name` (`sql`, `config` or `grafana`).

    Raises: FileNotFoundError when the installation lacks it, which is a packaging fault.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / name, package.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation has no {name}/ folder beside {package}")
