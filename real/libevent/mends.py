"""The mends of a libevent that was built with them (scripts/libevent_mended.py).

Such a library has a switch for each finding's mend, all of them on. What is left out is a bug that
the library of the distribution has: a mutant of the mended one, whose name is the finding's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from model.errors import UsageError, WorldUnavailable
from real.libevent.named import VARIABLE, directory

JOINED = "+"  # several of them
ALL = "all"
MENDS = "mends"  # the file beside the library that names them, a line each
SWITCHES = "event_mends_"


def names() -> Sequence[str]:
    """The mends of the libevent that the environment names. Raises `WorldUnavailable` for one
    without."""
    folder = directory()
    try:
        return (folder / MENDS).read_text(encoding="utf-8").split() if folder else _none()
    except OSError:
        return _none()


def _none() -> Sequence[str]:
    raise WorldUnavailable(
        "libevent-mended: this libevent has no mends: build one (make libevent-mended) and name"
        f" its folder in {VARIABLE}"
    )


@contextmanager
def left_out(bugs: str) -> Iterator[None]:
    """Without the mends named (`one`, `one+other`, `all`) while it lasts. Raises `UsageError` for
    a name that is none."""
    from real.libevent.library import load

    known = names()
    wanted = known if bugs == ALL else bugs.split(JOINED)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise UsageError(
            f"mutant {unknown[0][:40]!r}: the mended libevent leaves out one or more of"
            f" {', '.join(known)}, joined by {JOINED}, or {ALL}"
        )
    switches = (ctypes.c_ubyte * len(known)).in_dll(load().core, SWITCHES)
    places = [known.index(name) for name in wanted]
    for place in places:
        switches[place] = 0
    try:
        yield
    finally:
        for place in places:
            switches[place] = 1
