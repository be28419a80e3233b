"""A libevent other than the machine's, and the counters of one that was built to be measured.

`DUOPOLL_LIBEVENT_DIR` names a folder with a libevent of one's own, under the file name that the
distribution's has. The file `BUILT_FROM` beside it, one line, says in traces what it is.

A library built with `gcc --coverage` has libgcov in it, whose calls of the C library go through the
same slots as libevent's. It makes them when it writes its counters, and only then: so the
redirection is lifted meanwhile. libgcov adds to the files that are there, under a lock on each, so
any number of processes may write. Counters of a process that a signal ends are lost.
"""

from __future__ import annotations

import atexit
import ctypes
import os
from pathlib import Path
from time import monotonic

from model.errors import WorldUnavailable
from real.libevent.relocation import Redirection
from real.libevent.system_calls import at_end

VARIABLE = "DUOPOLL_LIBEVENT_DIR"
BUILT_FROM = "built-from"
WORDS_MAX = 120
WRITE_EVERY_S = 1.0


def directory(soname: str) -> Path | None:
    """The folder that the environment names; None if it names none.

    Raises `WorldUnavailable` for one without the file `soname`.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    if not (Path(named) / soname).is_file():
        raise WorldUnavailable(
            f"{VARIABLE}={named[:200]} has no file {soname}: name the folder of a built libevent"
            " 2.1, or unset it"
        )
    return Path(named).resolve()


def unfit(soname: str, why: str, package: str) -> WorldUnavailable:
    """What a library that does not fit is told to be, with the remedy."""
    remedy = f"install libevent 2.1 (Debian: {package})"
    if os.environ.get(VARIABLE):
        remedy = f"name another folder in {VARIABLE}, or unset it"
    return WorldUnavailable(f"{soname} {why}: {remedy}")


def words(folder: Path) -> str:
    """What the library in `folder` was built from, as far as the folder says."""
    try:
        told = (folder / BUILT_FROM).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        told = []
    return f"built from {' '.join(told)[:WORDS_MAX]}" if told else f"from {VARIABLE}"


class Counters:
    """libgcov's counters of a library; of one without, nothing."""

    def __init__(self, library: ctypes.CDLL, redirection: Redirection) -> None:
        self._redirection = redirection
        self._written = monotonic()
        self.there = hasattr(library, "__gcov_dump")
        if not self.there:
            return
        self._dump, self._reset = (getattr(library, f"__gcov_{do}") for do in ("dump", "reset"))
        for function in (self._dump, self._reset):
            function.restype, function.argtypes = None, ()
        at_end.append(self.write)
        atexit.register(self._end)

    def write(self) -> None:
        """Adds them to the files of the build, or below GCOV_PREFIX, and begins again at 0."""
        with self._redirection.lifted():
            self._dump()
            self._reset()
        self._written = monotonic()

    def write_if_due(self, now: bool) -> None:
        """The same, now or once in `WRITE_EVERY_S`."""
        if self.there and (now or monotonic() - self._written > WRITE_EVERY_S):
            self.write()

    def _end(self) -> None:
        """The process ends: what libgcov then writes by itself must not go through Python."""
        self.write()
        self._redirection.lift()
