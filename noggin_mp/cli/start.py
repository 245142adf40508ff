"""Where the program starts: what may begin before the command line itself is imported."""

import os
import sys
from typing import NoReturn

from noggin_mp.cli import ahead, streams


def entry() -> NoReturn:
    """The console script `noggin-mp`."""
    streams.complete()
    # pydantic would search every installed package for plugins: 40 ms, and none of them has
    # any business with our settings.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    ahead.prepare(sys.argv[1:])
    from noggin_mp.cli import main

    main.entry()
