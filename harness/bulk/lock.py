"""One campaign at a time in a folder.

The operating system holds the lock and lets go of it when its process ends, however that went, so
there is no stale one. What lies in the folder afterwards is a file with nobody's lock on it. POSIX:
flock(2), of an open file description that no worker inherits; Windows: LockFile, of a byte far
behind the text, which others may read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from model.errors import UsageError

NAME = "campaign.lock"
_PLACE = 1 << 20  # of the locked byte


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Nobody else is in the block for this folder, which is made if it is not there.

    Raises `UsageError` if somebody is, or if the folder cannot be written.
    """
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b")
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written ({error.strerror}): give another --dir"
        ) from None
    with file:
        if not _taken(file):
            file.seek(0)
            process = file.read(20).decode("ascii", "replace").strip()
            raise UsageError(
                f"{folder}: a campaign is going on in it{_which(process)}: wait for its end, or"
                " give another --dir"
            )
        file.truncate(0)
        file.write(b"%d\n" % os.getpid())
        file.flush()
        yield


def _which(process: str) -> str:
    return f" (process {process})" if process.isdecimal() else ""


def _taken(file: BinaryIO) -> bool:
    """Takes the lock, unless another has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_PLACE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
