"""How much memory a process holds."""

import os
from pathlib import Path


def resident_bytes(pid: int) -> int:
    """The memory that a process has in RAM; 0 when it is gone. Source: proc(5), /proc/pid/statm."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
