"""The migrations this program ships: numbered SQL files, each with its checksum."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from noggin_mp import resources
from noggin_mp.domain import errors

_FILE: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of `sql/migrations`."""

    version: int
    name: str
    file: str
    text: str
    sha256: str


def shipped() -> tuple[Migration, ...]:
    """The migrations this program ships, in order.

    Raises: SchemaError when a file is misnamed or the numbers do not run from 1 without gap.
    """
    found = []
    for path in sorted((resources.folder("sql") / "migrations").glob("*.sql")):
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise errors.SchemaError(
                f"sql/migrations/{path.name} is not named NNNN_name.sql", remedy="rename it"
            )
        body = path.read_bytes()
        found.append(
            Migration(
                version=int(match["version"]),
                name=match["name"],
                file=f"sql/migrations/{path.name}",
                text=body.decode("utf-8"),
                sha256=hashlib.sha256(body).hexdigest(),
            )
        )
    for expected, migration in enumerate(found, start=1):
        if migration.version != expected:
            raise errors.SchemaError(
                f"{migration.file} stands where migration {expected:04} belongs",
                remedy="number the files from 0001 without gap or repetition",
            )
    return tuple(found)
