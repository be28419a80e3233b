"""What `model.properties.threads` knows of each thread."""

from __future__ import annotations

from model.properties.lock_order import Clock


class ThreadView:
    """What is known of one thread."""

    __slots__ = ("clock", "depths", "forks", "held", "name", "waiting")

    def __init__(self, name: str, clock: Clock, forks: Clock) -> None:
        self.name = name
        self.clock = {**clock, name: clock.get(name, 0) + 1}
        self.forks = {**forks, name: forks.get(name, 0) + 1}
        self.held: list[str] = []
        self.depths: dict[str, int] = {}
        self.waiting: tuple[str, int, int] | None = None  # condition, record, depth of its lock


def merge(clock: Clock, other: Clock) -> None:
    for thread, moment in other.items():
        if clock.get(thread, 0) < moment:
            clock[thread] = moment
