"""The garbage collector in a search: seldom, and only over what the search itself made.

A run makes a world of objects in circles and drops them all. The collector's own pace looks at what
was imported again and again, and at a run while it is alive: a tenth of a run's time goes into it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PERIOD = 64  # runs, of some thousand objects each


@contextmanager
def seldom() -> Iterator[Callable[[], None]]:
    """Within the block objects are collected only every `PERIOD` calls of what it gives: call it
    after each run. A block within another one leaves that to the outer."""
    if not gc.isenabled():
        yield lambda: None
        return
    gc.freeze()
    gc.disable()
    runs = 0

    def after_run() -> None:
        nonlocal runs
        runs += 1
        if runs % PERIOD == 0:
            gc.collect()

    try:
        yield after_run
    finally:
        gc.unfreeze()
        gc.enable()
