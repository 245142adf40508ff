"""config/noggin.yaml says at each key what a reload does, as the table declares it."""

import pytest

from noggin_mp import resources
from noggin_mp.settings import document, liveness, tree
from noggin_mp.settings.document import KeyPath

FILE = resources.folder("config") / "noggin.yaml"
LINES = FILE.read_text("utf-8").splitlines()
KEYS = document.read(FILE).keys
WRITTEN = [path for path, _ in tree.walk() if tree.HOSTS not in path]


@pytest.mark.parametrize("path", WRITTEN, ids=".".join)
def test_shipped_file_says_what_a_reload_does(path: KeyPath) -> None:
    line = KEYS[path].line
    assert line is not None
    how = liveness.of(path)
    above = LINES[line - 2]

    if how is liveness.Liveness.LIVE:
        assert not above.endswith(("[rolled]", "[restart]"))
    else:
        assert above.endswith(f"[{how}]")
