"""The libevent that the environment names: a folder with one of one's own.

Nothing here is of the library itself, so the command line may ask on a machine that has none.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "DUOPOLL_LIBEVENT_DIR"
BUILT_FROM = "built-from"  # the file beside the library, one line: what it is


def directory() -> Path | None:
    """The folder that the environment names; None if it names none."""
    named = os.environ.get(VARIABLE)
    return Path(named).resolve() if named else None
