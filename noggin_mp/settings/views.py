"""Print the SQL of the views: `python -m noggin_mp.settings.views [FOLDER] [CODE...]`.

Without arguments it prints the body of the migration that ships the views; with a folder of object
types and codes, the views of those types alone, to be run by an operator.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from noggin_mp.domain import errors, views
from noggin_mp.settings import object_types

HEADER = """\
-- One view per shipped object type: inspections_ccc, _fpi, _lcd, _lcs, _so, _ta.
-- Generated from config/object_types/*.yaml by `python -m noggin_mp.settings.views`; a test keeps
-- the two equal. A later change of a shipped type is a new migration that makes its view anew.

"""


def migration() -> str:
    """The text of the migration for the shipped types."""
    return HEADER + views.script(object_types.load().types)


def main(arguments: Sequence[str]) -> str:
    """What the command prints. Raises: ConfigError for a bad folder or an unknown code."""
    if not arguments:
        return migration()
    catalogue = object_types.load(Path(arguments[0]))
    chosen = []
    for code in arguments[1:] or tuple(catalogue.by_code):
        found = catalogue.find(code)
        if found is None:
            raise errors.ConfigError(
                f"{arguments[0]} has no object type {code!r}",
                remedy=f"name one of {', '.join(catalogue.by_code)}",
            )
        chosen.append(views.view(found))
    return "\n".join(chosen)


if __name__ == "__main__":
    try:
        sys.stdout.write(main(sys.argv[1:]))
    except errors.NogginError as error:
        sys.stderr.write(f"noggin_mp.settings.views: {error}\n")
        raise SystemExit(error.exit_code) from error
