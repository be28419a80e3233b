"""What each kind of argument in a scenario's JSON may be: bounds of integers, and texts."""

from __future__ import annotations

from harness.scenario import (
    AFTER_READS,
    BUFFER_MAX,
    CONNECTS_MAX,
    DURATION_MAX_NS,
    EVENTS,
    FLUSH_MODES,
    GROUPS_MAX,
    LAYERS,
    SIZE_MAX,
    TRANSPORTS,
    WORKER_MODES,
    WORKERS_MAX,
)
from model.faults import NTH_MAX, POOL_PAGES_MAX

MASKS = ("R", "W", "RW")
WHICH = ("", "R", "W", "E", "RW", "RE", "WE", "RWE")

#: kind of a parameter -> smallest and greatest integer
INTEGERS: dict[str, tuple[int, int]] = {
    "size": (1, SIZE_MAX),
    "size0": (0, SIZE_MAX),
    "duration": (0, DURATION_MAX_NS),
    "timeout": (1, DURATION_MAX_NS),
    "connects": (1, CONNECTS_MAX),
    "buffer": (1, BUFFER_MAX),
    "nth": (1, NTH_MAX),
    "pool_pages": (0, POOL_PAGES_MAX),
    "priority": (0, 7),
    "rate": (1, SIZE_MAX),
    "tick": (1_000_000, DURATION_MAX_NS),
    "tokens": (-SIZE_MAX, SIZE_MAX),
    "group": (0, GROUPS_MAX - 1),
    "workers": (1, WORKERS_MAX),
    "concurrency": (0, WORKERS_MAX),
}
#: kind of a parameter -> the texts that it may be
TEXTS: dict[str, tuple[str, ...]] = {
    "mask": MASKS,
    "which": WHICH,
    "event": EVENTS,
    "after_reads": AFTER_READS,
    "mode": FLUSH_MODES,
    "transport": TRANSPORTS,
    "layer": LAYERS,
    "worker_mode": WORKER_MODES,
}
