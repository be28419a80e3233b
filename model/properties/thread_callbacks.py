"""Callbacks of bufferevents that threads share: never two at a time (C-3), and of those with
UNLOCK_CALLBACKS none under its lock (K-6).
"""

from __future__ import annotations

from collections.abc import Iterator

from model.properties.thread_views import ThreadView
from model.subject import BEV_OPT_UNLOCK_CALLBACKS


class ThreadCallbacks:
    """Those that run, and whose lock is whose; `checked` counts what was judged."""

    def __init__(self, checked: dict[str, int]) -> None:
        self.checked = checked
        self.running: dict[str, list[tuple[str, int]]] = {}  # thread, record
        self.unlocked: set[str] = set()  # bufferevents with UNLOCK_CALLBACKS
        self.lock_of: dict[str, str] = {}  # of those that share the lock of another
        self.first: str | None = None  # the end of a pair whose partner is to be made next

    def new(self, bev: str, kind: str, options: object) -> None:
        """A bufferevent of that type was made."""
        if isinstance(options, int) and options & BEV_OPT_UNLOCK_CALLBACKS:
            self.unlocked.add(bev)
        if kind == "pair":
            if self.first is None:
                self.first = str(bev)
            else:
                self.lock_of[bev] = self.first
                self.first = None

    def layer(self, bev: str, below: str) -> None:
        """`bev` was put on `below`."""
        self.lock_of[bev] = self.lock_of.get(below, below)

    def begin(
        self, mine: ThreadView, threads: int, index: int, bev: str, which: str
    ) -> Iterator[tuple[str, str]]:
        """A callback begins in `mine`, one of `threads`: the properties that breaks, and how."""
        running = self.running.setdefault(bev, [])
        if bev in self.unlocked:
            self.checked["K-6"] += 1
            if mine.depths.get(self.lock_of.get(bev, bev), 0) > 1:
                yield "K-6", f"a {which} callback of {bev} runs under its lock"
        if threads > 1:
            self.checked["C-3"] += 1
        for thread, since in running:
            if thread != mine.name:
                other = f"the one of record {since} still runs in {thread}"
                yield "C-3", f"a {which} callback of {bev} begins in {mine.name} while {other}"
                break
        running.append((mine.name, index))

    def end(self, thread: str, bev: str) -> None:
        """The newest callback of `bev` in that thread is over."""
        running = self.running.get(bev, [])
        for place in range(len(running) - 1, -1, -1):
            if running[place][0] == thread:
                del running[place]
                return
