"""Memory and CPU time of processes, as Linux counts them.

Not `ru_maxrss`: a process that was started by `vfork` begins with the peak of its parent.
"""

import os
import re
from pathlib import Path

_KILOBYTES = 1024


def resident(pid: int | None = None) -> float:
    """Megabytes of memory in use now; None: by this process."""
    return _megabytes(pid, "VmRSS")


def proportional(pid: int) -> float:
    """Megabytes of memory in use now, with shared pages divided among the processes that share them."""
    return _found("Pss", Path(f"/proc/{pid}/smaps_rollup").read_text("ascii"))


def peak(pid: int | None = None) -> float:
    """Megabytes of memory in use at most, since the start or `forget_peak`; None: by this process."""
    return _megabytes(pid, "VmHWM")


def forget_peak(pid: int) -> None:
    """Have `peak` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process with all its threads, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int | None, name: str) -> float:
    text = Path(f"/proc/{'self' if pid is None else pid}/status").read_text("ascii")
    return _found(name, text)


def _found(name: str, text: str) -> float:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise ProcessLookupError("the process has ended")
    return int(found[1]) / _KILOBYTES
