"""`--out FILE`: a file written whole or not at all."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from noggin_mp.domain import errors


@contextlib.contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file that becomes `path` when the block ends well; an older `path` stays until then.

    Raises: PathUnusable when the folder cannot be written; DiskFull.
    """
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())
        partial.replace(path)
        partial = None
    except OSError as error:
        raise _trouble(path, error) from error
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink()


def _trouble(path: Path, error: OSError) -> errors.LocalTrouble:
    if error.errno in (28, 122):  # ENOSPC, EDQUOT
        return errors.DiskFull(f"no space left for {path}", remedy="free some space")
    return errors.PathUnusable(
        f"{path} cannot be written: {error.strerror}", remedy="name a file in a folder of yours"
    )


def _umask() -> int:
    """This process's mask, which can only be learnt by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
