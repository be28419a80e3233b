"""One epoll instance: items, the ready list, and who waits (fs/eventpoll.c).

The whole of epoll is three steps on a small structure.

* `Item.wake(key)` (ep_poll_callback), called by the file that the item watches: an item whose
  interest the key passes is put at the tail of the ready list, unless it is on it; one waiter, and
  the epolls around this one, are told.
* `Epoll.harvest(n)` (ep_send_events), called by a waiter: items are taken from the head of the
  ready list and *polled*; what is reported is what is true now, not what woke the item. An item
  that has nothing any more is dropped without being counted. A level-triggered item that was
  reported goes to the tail again: that is all that level-triggered means, and why sets larger
  than n go round in turn.
* `add` and `modify` poll the file once, and link the item if it is ready.

One-shot keeps the flags of the mask and drops all events, ERR and HUP too, until `modify`.

Threads that wait on one epoll are woken newest first, one for each event that arrives, and one
more by a harvest that leaves something on the ready list.

An epoll is a file too. It is readable when a harvest would deliver something; finding that out
drops stale items but reports none, so it does not consume an edge.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from model.errors import Errno
from model.kernel import (
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLWAKEUP,
)
from sim.files import MASK_IN, File

if TYPE_CHECKING:
    from sim.scheduler import Scheduler
from sim.task import Task

ALWAYS = EPOLLERR | EPOLLHUP
FLAGS = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP  # EP_PRIVATE_BITS
EVENTS = 0xFFFFFFFF & ~FLAGS
NOT_LEVEL = EPOLLET | EPOLLONESHOT
EXCLUSIVE_OK = (  # EPOLLEXCLUSIVE_OK_BITS
    EPOLLIN | EPOLLOUT | ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE
)
IN_OR_OUT = EPOLLIN | EPOLLOUT
MAX_NESTED = 5  # epolls in a chain: EP_MAX_NESTS + 1


class Item:
    """A registration: the pair (open file description, descriptor number) and its interest."""

    __slots__ = ("data", "epoll", "fd", "file", "linked", "mask")

    def __init__(self, epoll: Epoll, file: File, fd: int, mask: int, data: int) -> None:
        self.epoll = epoll
        self.file = file
        self.fd = fd
        self.mask = mask
        self.data = data
        self.linked = False  # on the ready list

    def wake(self, key: int) -> bool:
        """ep_poll_callback; true when an exclusive wake-up may stop here."""
        mask = self.mask
        if not mask & EVENTS:
            return False  # rule EP1
        if key and not key & mask:
            return False  # rule EP2
        epoll = self.epoll
        if not self.linked:
            self.linked = True
            epoll.ready.append(self)  # rule EP3
        if not (epoll.waiters or epoll.watchers or epoll.exclusive):
            return False  # nobody to tell
        useful = bool(epoll.waiters) and self._concerned(key)
        epoll.announce()
        return useful

    def _concerned(self, key: int) -> bool:
        """Whether the waiter that this wakes can use it (the switch in ep_poll_callback)."""
        what = key & IN_OR_OUT
        return not what or what == IN_OR_OUT or bool(what & self.mask)  # rule EP4

    def drop(self) -> None:
        """The file is gone, and with it this registration."""
        self.epoll.forget(self)  # rule EP30


class Epoll(File):
    """An epoll instance: what epoll_create1(2) makes."""

    __slots__ = ("items", "ready", "scheduler", "waiters")

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.items: dict[tuple[File, int], Item] = {}
        self.ready: deque[Item] = deque()
        self.waiters: list[Task] = []  # oldest first

    def announce(self) -> None:
        """Something was linked: wakes one waiter, and the epolls and polls around this one."""
        if self.waiters:
            self._wake_one()
        if self.watchers or self.exclusive:
            self.wake(EPOLLIN)  # rule EP6

    def _wake_one(self) -> None:
        """The newest waiter that is still blocked (__add_wait_queue_exclusive at the head)."""
        waiters = self.waiters
        while waiters:
            if self.scheduler.unpark(waiters.pop()):  # rule EP5
                return

    def harvest(self, maxevents: int) -> list[tuple[int, int]]:
        """At most `maxevents` of (data, events), off the ready list: ep_send_events."""
        ready = self.ready
        events: list[tuple[int, int]] = []
        linked = len(ready)
        for _ in range(linked):
            item = ready.popleft()
            mask = item.mask
            now = item.file.poll() & mask
            if not now:
                item.linked = False  # rule EP7
                continue
            events.append((item.data, now))  # rule EP8
            if not mask & NOT_LEVEL:
                ready.append(item)  # rule EP9
            else:
                item.linked = False  # rule EP10
                if mask & EPOLLONESHOT:
                    item.mask = mask & FLAGS  # rule EP11
            if linked > maxevents and len(events) == maxevents:
                break  # rule EP12
        if ready and self.waiters:
            self._wake_one()  # rule EP13
        return events

    def poll(self) -> int:
        """IN when a harvest would deliver: __ep_eventpoll_poll."""
        ready = self.ready
        while ready:
            item = ready[0]
            if item.file.poll() & item.mask:
                return MASK_IN  # rule EP14
            ready.popleft()  # rule EP15
            item.linked = False
        return 0

    def control(self, op: int, file: File, fd: int, mask: int, data: int) -> Errno | None:
        """epoll_ctl(2) on a file that can be polled: do_epoll_ctl, in its order of checks."""
        if op == EPOLL_CTL_MOD:
            item = self.items.get((file, fd))
            if item is not None and not (item.mask | mask) & EPOLLEXCLUSIVE and file is not self:
                self._modify(item, mask & ~EPOLLWAKEUP | ALWAYS, data)  # rule EP16
                return None
        if file is self:
            return Errno.EINVAL  # rule EP17
        if mask & EPOLLEXCLUSIVE and op != EPOLL_CTL_DEL:
            if op == EPOLL_CTL_MOD:
                return Errno.EINVAL  # rule EP18
            if op == EPOLL_CTL_ADD and (type(file) is Epoll or mask & ~EXCLUSIVE_OK):
                return Errno.EINVAL  # rule EP19
        if op == EPOLL_CTL_ADD and type(file) is Epoll and self._would_loop(file):
            return Errno.ELOOP  # rule EP20
        item = self.items.get((file, fd))
        if op == EPOLL_CTL_ADD:
            if item is not None:
                return Errno.EEXIST  # rule EP21
            self._add(Item(self, file, fd, mask & ~EPOLLWAKEUP | ALWAYS, data))  # rule EP22
            return None
        if op != EPOLL_CTL_DEL and op != EPOLL_CTL_MOD:  # noqa: PLR1714 - no set is made
            return Errno.EINVAL  # rule EP23
        if item is None:
            return Errno.ENOENT  # rule EP24
        if op == EPOLL_CTL_MOD:
            return Errno.EINVAL  # an exclusive item; rule EP18
        self._delete(item)  # rule EP25
        return None

    def _add(self, item: Item) -> None:
        """ep_insert."""
        file = item.file
        self.items[file, item.fd] = item  # rule EP26
        file.registrations = (*file.registrations, item)
        if item.mask & EPOLLEXCLUSIVE:
            file.watch_exclusive(item.wake)  # rule EP27
        else:
            file.watch(item.wake)
        self._link_if_ready(item)

    def _modify(self, item: Item, mask: int, data: int) -> None:
        """ep_modify."""
        item.mask = mask
        item.data = data
        if item.linked:
            return  # rule EP28
        self._link_if_ready(item)

    def _link_if_ready(self, item: Item) -> None:
        """The one poll of ep_insert and ep_modify."""
        if item.file.poll() & item.mask and not item.linked:
            item.linked = True
            self.ready.append(item)  # rule EP29
            self.announce()

    def _delete(self, item: Item) -> None:
        """ep_remove."""
        file = item.file
        file.unwatch(item.wake)
        file.registrations = tuple([one for one in file.registrations if one is not item])
        self.forget(item)

    def forget(self, item: Item) -> None:
        """Takes an item out of the tree and off the ready list."""
        del self.items[item.file, item.fd]
        if item.linked:
            item.linked = False
            self.ready.remove(item)  # rule EP31

    def release(self) -> None:
        """The last reference went: ep_free."""
        for item in tuple(self.items.values()):
            self._delete(item)

    def _would_loop(self, inner: Epoll) -> bool:
        """Adding `inner` would close a cycle or make too long a chain: ep_loop_check."""
        return inner._reaches(self) or self._height_above() + inner._depth() > MAX_NESTED

    def _inner(self) -> list[Epoll]:
        return [file for file, _ in self.items if isinstance(file, Epoll)]

    def _reaches(self, target: Epoll) -> bool:
        return self is target or any(inner._reaches(target) for inner in self._inner())

    def _depth(self) -> int:
        """Epolls in the longest chain that begins here."""
        return 1 + max((inner._depth() for inner in self._inner()), default=0)

    def _height_above(self) -> int:
        """Epolls in the longest chain that ends here."""
        outer = (one.epoll for one in self.registrations if isinstance(one, Item))
        return 1 + max((epoll._height_above() for epoll in outer), default=0)
