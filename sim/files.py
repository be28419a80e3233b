"""Open file descriptions: what a descriptor refers to, and who is told when it changes.

A `File` has a current state, given by `poll()` as epoll(7) bits, and a wait queue. Whoever changes
the state calls `wake(key)`, where the key says what may have become possible (0: something about
the state, which concerns everyone). This is Linux's struct file and wait_queue_head_t
(include/linux/wait.h, kernel/sched/wait.c: __wake_up_common), reduced to what decides outcomes:

* ordinary watchers are all called, newest first (add_wait_queue puts them at the head);
* exclusive watchers come after them, oldest first, and the walk stops at the first that returns
  true (it really had somebody to wake), except in `wake_all`.

The wait queues are tuples, replaced and never changed: a watcher may come or go during a walk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from model.errors import SimulatorError
from model.kernel import (
    EPOLLIN,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDBAND,
    EPOLLRDNORM,
    EPOLLWRBAND,
    EPOLLWRNORM,
)

#: called with a wake key (epoll bits; 0: state change); true: a blocked waiter was woken
Watcher: TypeAlias = Callable[[int], object]

KEY_STATE = 0  # sk_state_change
KEY_IN = EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND  # sock_def_readable
KEY_OUT = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND  # sk_stream_write_space
MASK_IN = EPOLLIN | EPOLLRDNORM
MASK_OUT = EPOLLOUT | EPOLLWRNORM


class Registration(Protocol):
    """What ends with the file: an epoll's item for it."""

    def drop(self) -> None:
        """The file is gone (eventpoll_release_file)."""


class File:
    """An open file description: `refs` descriptors and running calls refer to it."""

    __slots__ = ("exclusive", "refs", "registrations", "watchers")

    pollable = True  # False: epoll_ctl gives EPERM (file_can_poll)

    def __init__(self) -> None:
        self.watchers: tuple[Watcher, ...] = ()
        self.exclusive: tuple[Watcher, ...] = ()
        self.registrations: tuple[Registration, ...] = ()
        self.refs = 1

    def poll(self) -> int:
        """The events that are true now, as epoll bits (the kernel's vfs_poll)."""
        raise SimulatorError(f"{type(self).__name__} has no poll")

    def unref(self) -> None:
        """One reference less; with the last one, registrations go and the file is released."""
        self.refs -= 1
        if not self.refs:
            for registration in self.registrations:
                registration.drop()  # rule FD4
            self.registrations = ()
            self.watchers = self.exclusive = ()
            self.release()

    def release(self) -> None:
        """The last reference went: what close(2) does to this kind of file."""

    def watch(self, watcher: Watcher) -> None:
        """Adds an ordinary watcher: called first from now on."""
        self.watchers = (watcher, *self.watchers)  # rule FD1

    def watch_exclusive(self, watcher: Watcher) -> None:
        """Adds an exclusive watcher, behind those that are there."""
        self.exclusive = (*self.exclusive, watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Removes a watcher of either kind, if it is there."""
        self.watchers = tuple([one for one in self.watchers if one != watcher])
        if self.exclusive:
            self.exclusive = tuple([one for one in self.exclusive if one != watcher])

    def wake(self, key: int) -> None:
        """Tells the watchers, and exclusive ones until one was of use."""
        for watcher in self.watchers:
            watcher(key)
        for watcher in self.exclusive:
            if watcher(key):
                break  # rule FD2

    def wake_all(self, key: int) -> None:
        """Tells all watchers, exclusive ones too (wake_up_interruptible_all)."""
        for watcher in self.watchers:
            watcher(key)
        for watcher in self.exclusive:  # rule FD3
            watcher(key)
