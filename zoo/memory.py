"""The most memory that a piece of work held, of a process that has done other work before."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes


class Peak:
    """Measures from its making on. What earlier work still holds counts; what it has given back does not.

    `of` says what `mb` is the peak of: `step`, or `process so far` where the system cannot set its mark back (only Linux
    can). A child that ended meanwhile counts where it held more than any child before it.
    """

    def __init__(self) -> None:
        self._children = _most(resource.RUSAGE_CHILDREN)
        try:
            Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to what is held now
            self.of = "step"
        except OSError:
            self.of = "process so far"

    @property
    def mb(self) -> int:
        own = _high_water() if self.of == "step" else _most(resource.RUSAGE_SELF)
        children = _most(resource.RUSAGE_CHILDREN)
        return round(max(own, children if children > self._children or self.of != "step" else 0) / 2**20)


def _most(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * _UNIT


def _high_water() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
