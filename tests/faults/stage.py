"""A world of its own for a suite of faults: folder, database, simulator, installation."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from noggin_mp.store import embedded, schema, session
from noggin_mp.supervisor import holdings
from tests.support import fleet


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that the database's account may enter."""
    made = Path(tempfile.mkdtemp(prefix="noggin_faults_"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        embedded.destroy(made / "database")
        if (made / "state").is_dir():
            shutil.rmtree(holdings.metrics_folder(made / "state"), ignore_errors=True)
        shutil.rmtree(made, ignore_errors=True)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`database` is the state folder of the database's server."""

    site: fleet.Site
    api: fleet.Simulator
    database: Path


@contextlib.contextmanager
def stage(*, tips: int, options: Sequence[str] = (), **settings: dict[str, Any]) -> Iterator[Stage]:
    """An installation with so many TIPs imported.

    `options` are the simulator's, `settings` sections of the configuration.
    """
    with folder() as home:
        database = home / "database"
        dsn = embedded.ensure_running(database)
        with session.connect(dsn, schema=fleet.SCHEMA, application_name="faults") as connection:
            schema.migrate(connection, schema=fleet.SCHEMA)
        with fleet.simulator(home, tips=tips, options=options) as api:
            site = fleet.Site(home, dsn, api, **settings)
            site.ok("import", str(home / "export.csv"))
            yield Stage(site=site, api=api, database=database)
