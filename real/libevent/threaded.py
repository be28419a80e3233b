"""libevent with the locks of libevent_pthreads, beside real threads of the application.

Calls let other threads of the interpreter run: a thread may wait in C for a lock whose owner needs
the interpreter to give it back. A bufferevent that is THREADSAFE has the lock that bufferevent_lock
takes; the wrapper takes it around a call and its record (`model.traced_threads`). Sockets only:
what a stack or a pair shares, its wrappers would have to share as well.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from model.errors import SimulatorError
from model.subject import BEV_OPT_THREADSAFE
from real.libevent.bufferevent import LibeventBufferevent
from real.libevent.subject import HasKernel, LibeventBase
from real.libevent.unbound import refuse

if TYPE_CHECKING:
    from model.threads import Threads


class LockedBufferevent(LibeventBufferevent):
    """One that is THREADSAFE. It may be called for as long as somebody has a reference: a thread
    that another has overtaken with its free finds out under the lock."""

    def __init__(self, base: LibeventThreadedBase, pointer: int) -> None:
        self.address = pointer
        self.gone = False  # the last reference was given up
        super().__init__(base, pointer)

    @property
    def pointer(self) -> int:
        if self.gone:
            raise SimulatorError("a call on a bufferevent to which nobody has a reference")
        return self.address

    def entry(self, name: str) -> LockedBufferevent:
        """Itself: `with` takes its lock."""
        return self

    def __enter__(self) -> None:
        if not self.gone:
            self.library.bufferevent_lock(self.address)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self.gone:
            self.library.bufferevent_unlock(self.address)

    def incref(self) -> None:
        self.library.bufferevent_incref(self.pointer)

    def decref(self) -> None:
        """Of the harness. The last one comes behind the free."""
        self.gone = bool(self.library.bufferevent_decref(self.pointer))


class LibeventThreadedBase(LibeventBase):
    """An event base with a lock, which other threads wake."""

    def __init__(self, world: HasKernel, threads: Threads) -> None:
        self.threads = threads
        super().__init__(world, pthreads=True)

    def bufferevent_socket_new(self, fd: int | None, options: int) -> LibeventBufferevent:
        kind = LockedBufferevent if options & BEV_OPT_THREADSAFE else LibeventBufferevent
        return kind.on_socket(self, fd, options)

    def bufferevent_pair_new(self, options: int) -> Any:
        refuse("a pair beside threads")

    def bufferevent_filter_new(self, underlying: Any, filters: Any, options: int) -> Any:
        refuse("a filter beside threads")

    def bufferevent_ssl_filter_new(
        self, underlying: Any, engine: Any, state: Any, options: int
    ) -> Any:
        refuse("TLS beside threads")

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: Any, state: Any, options: int
    ) -> Any:
        refuse("TLS beside threads")


def new_threaded_base(world: HasKernel, threads: Threads) -> LibeventThreadedBase:
    """An event base on the world's kernel, for several threads."""
    return LibeventThreadedBase(world, threads)
