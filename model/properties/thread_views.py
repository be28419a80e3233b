"""What `model.properties.threads` knows of each thread and of each access to shared state."""

from __future__ import annotations

from typing import NamedTuple

from model.properties.lock_order import Clock


class Access(NamedTuple):
    thread: str
    moment: int  # of the thread's own clock
    record: int
    held: tuple[str, ...]


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


def race(name: str, operation: str, access: Access, other: Access) -> str:
    one, two = (
        f"{each.thread} (record {each.record}, with {', '.join(each.held) or 'no lock'})"
        for each in (other, access)
    )
    return f"{name} is accessed by {one} and by {two} without order, the second a {operation}"
