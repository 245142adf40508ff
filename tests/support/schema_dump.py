"""Writes sql/schema.sql from the migrations: `python -m tests.support.schema_dump`.

It is for reading and for comparing; databases are made by the migrations.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from noggin_mp import resources
from noggin_mp.store import binaries
from tests.support import postgres

FILE = resources.folder("sql") / "schema.sql"
_HEAD = """\
-- The whole schema as the migrations leave it, for reading. Databases are made by the migrations
-- (noggin-mp db migrate), never from this file; a test holds the two equal.
-- Written by: python -m tests.support.schema_dump

SET check_function_bodies = false;
"""


def main() -> None:
    """Dumps a freshly migrated database."""
    postgres.begin()
    try:
        server = postgres.server_dsn()
        dsn = postgres.create_database(server, template=postgres.migrated_template(server))
        FILE.write_text(_HEAD + "\n" + tidy(dump(dsn)), "utf-8")
    finally:
        postgres.end(Path(os.environ[postgres.RUN]))


def dump(dsn: str) -> str:
    """pg_dump's text of the schema, by the wheel's pg_dump or the one on PATH."""
    wheel = binaries.find().path("pg_dump")
    program = str(wheel) if wheel.is_file() else shutil.which("pg_dump") or "pg_dump"
    done = subprocess.run(
        [program, "-d", dsn, "-s", "--no-owner", "--no-privileges", "-n", postgres.SCHEMA],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def tidy(text: str) -> str:
    """Without what differs by version of server or pg_dump, and without its comments.

    Bodies of functions, between dollar quotes, stay as they are.
    """
    unwanted = re.compile(r"--.*|SET .*|\\(un)?restrict .*|SELECT pg_catalog\.set_config.*")
    kept: list[str] = []
    quoted = False
    for line in text.splitlines():
        blank_again = not line and (not kept or not kept[-1])
        if quoted or not (unwanted.fullmatch(line) or blank_again):
            kept.append(line)
        quoted ^= len(re.findall(r"\$\w*\$", line)) % 2 == 1
    return "\n".join(kept).strip() + "\n"


if __name__ == "__main__":
    main()
