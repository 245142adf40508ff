"""What a job asks the database while it works on one record, in one round trip."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping, Sequence

from noggin_mp.domain.tip import Tip
from noggin_mp.store import session, statements


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """An attachment that an earlier try of the record has already published."""

    filename: str
    file_path: str
    size_bytes: int
    sha256: str
    md5: str | None
    content_type: str | None
    started_at: datetime.datetime | None
    completed_at: datetime.datetime | None
    duration_s: float | None
    host: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The record's own folder, the names its hashes have, and its files from earlier tries."""

    folder: str
    names: Mapping[str, str]
    known: Mapping[str, KnownFile]


def prepare(
    connection: session.Connection,
    *,
    tip: Tip,
    folder: str,
    hashes: Sequence[str],
    alternative: Callable[[int], str],
) -> Prepared:
    """Claim a folder for `tip` and learn what is known of its record.

    When another TIP owns `folder`, the alternatives are tried in turn: `alternative(1)` and so on.
    """
    with connection.pipeline():
        names = connection.execute(statements.statement("known_names"), {"hashes": list(hashes)})
        known = connection.execute(statements.statement("known_attachments"), {"tip": tip})
        owned = _claim(connection, tip, folder)
        rows = known.fetchall()
        found = {row[0]: row[1] for row in names.fetchall()}
    attempt = 0
    while not owned:
        attempt += 1
        folder = alternative(attempt)
        owned = _claim(connection, tip, folder)
    return Prepared(folder=folder, names=found, known=_files(rows))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a token is tried on; `known` says that this record was fetched whole before."""

    tip: Tip
    object_code: str | None
    object_type: str | None
    known: bool


def known_good(connection: session.Connection) -> Subject | None:
    """The TIP completed last, else the head of the queue; None with neither."""
    row = connection.execute(statements.statement("known_good")).fetchone()
    if row is None:
        return None
    return Subject(tip=Tip(row[0]), object_code=row[1], object_type=row[2], known=row[3])


def _claim(connection: session.Connection, tip: Tip, folder: str) -> bool:
    """True when `tip` owns `folder` now. A rival may commit in mid-statement: look again."""
    while True:
        row = connection.execute(
            statements.statement("claim_folder"), {"path": folder, "tip": tip}
        ).fetchone()
        if row is not None:
            return bool(row[0] == tip)


def _files(rows: Sequence[tuple[object, ...]]) -> dict[str, KnownFile]:
    return {
        str(row[0]): KnownFile(
            filename=str(row[1]),
            file_path=str(row[2]),
            size_bytes=int(str(row[3])),
            sha256=str(row[4]),
            md5=row[5],  # type: ignore[arg-type]
            content_type=row[6],  # type: ignore[arg-type]
            started_at=row[7],  # type: ignore[arg-type]
            completed_at=row[8],  # type: ignore[arg-type]
            duration_s=None if row[9] is None else float(str(row[9])),
            host=row[10],  # type: ignore[arg-type]
        )
        for row in rows
        if None not in row[1:5]
    }
