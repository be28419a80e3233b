"""Accesses to state that threads share (K-2), and how a race of two is told."""

from __future__ import annotations

from typing import NamedTuple


class Access(NamedTuple):
    """What one `touch` record says, and the locks that its thread had."""

    thread: str
    moment: int  # of the thread's own clock
    record: int
    held: tuple[str, ...]


def race(name: str, operation: str, access: Access, other: Access) -> str:
    """The message of K-2."""
    one, two = (
        f"{each.thread} (record {each.record}, with {', '.join(each.held) or 'no lock'})"
        for each in (other, access)
    )
    return f"{name} is accessed by {one} and by {two} without order, the second a {operation}"
