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
from time import monotonic

from model.errors import WorldUnavailable
from real.libevent.named import BUILT_FROM, VARIABLE, directory
from real.libevent.relocation import Redirection
from real.libevent.system_calls import at_end

WORDS_MAX = 120
WRITE_EVERY_S = 1.0


def load(soname: str, package: str, kind: type[ctypes.CDLL] = ctypes.PyDLL) -> ctypes.CDLL:
    """The library of that name: the one in the named folder, or else the machine's. `kind` says
    whether calls keep the interpreter to themselves (PyDLL).

    Raises `WorldUnavailable` where there is none that fits.
    """
    folder = directory()
    if folder is not None and not (folder / soname).is_file():
        raise WorldUnavailable(
            f"{VARIABLE}={os.environ[VARIABLE][:200]} has no file {soname}: name the folder of a"
            " built libevent 2.1, or unset it"
        )
    try:
        if folder is None:
            return kind(soname)
        # As upstream links them, the others do not name the core that they need.
        return kind(str(folder / soname), mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise unfit(soname, f"cannot be loaded ({error})", package) from None


def unfit(soname: str, why: str, package: str) -> WorldUnavailable:
    """What to raise for a library that is not what it should be, with the remedy."""
    remedy = f"install libevent 2.1 (Debian: {package})"
    if directory() is not None:
        remedy = f"name another folder in {VARIABLE}, or unset it"
    return WorldUnavailable(f"{soname} {why}: {remedy}")


def words() -> str:
    """What the libraries in the named folder were built from; empty for the machine's."""
    folder = directory()
    if folder is None:
        return ""
    try:
        told = (folder / BUILT_FROM).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        told = []
    return f"built from {' '.join(told)[:WORDS_MAX]}" if told else f"from {VARIABLE}"


_counted: list[Counters] = []


def count(library: ctypes.CDLL, redirection: Redirection) -> None:
    """Has the library's counters written from now on, if it has any."""
    if hasattr(library, "__gcov_dump"):
        _counted.append(Counters(library, redirection))


def write_counters(now: bool) -> None:
    """Writes those of all libraries: `now`, or if that was not done for `WRITE_EVERY_S`."""
    for each in _counted:
        if now or monotonic() - each.written > WRITE_EVERY_S:
            each.write()


class Counters:
    """libgcov's counters of a library that has them."""

    def __init__(self, library: ctypes.CDLL, redirection: Redirection) -> None:
        self._redirection = redirection
        self._dump, self._reset = (getattr(library, f"__gcov_{do}") for do in ("dump", "reset"))
        for function in (self._dump, self._reset):
            function.restype, function.argtypes = None, ()
        self.written = monotonic()
        at_end.append(self.write)
        atexit.register(self._end)

    def write(self) -> None:
        """Adds them to the files of the build, or below GCOV_PREFIX, and begins again at 0."""
        with self._redirection.lifted():
            self._dump()
            self._reset()
        self.written = monotonic()

    def _end(self) -> None:
        """The process ends: what libgcov then writes by itself must not go through Python."""
        self.write()
        self._redirection.lift()
