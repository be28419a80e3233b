"""libevent's event base, bufferevents and listeners, as `model.subject` has them.

C holds no Python object: each object has a number, which is the callback argument, and one
function for each kind of callback finds the object by it. An object stays findable until its base
is freed, so a callback that comes after a free is seen (C-4) and touches nothing that is gone.
Pointers of freed bufferevents are forgotten: a call on one raises instead of reaching C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from model.errors import SimulatorError
from model.kernel import ReadinessKernel
from model.layer import Filters, Underlying
from model.rate_limit import RateLimitConfig
from model.subject import EV_TIMEOUT, LEV_OPT_CLOSE_ON_FREE, AcceptCallback, KernelError
from model.tls import SslState, TlsEngine
from real.libevent.bufferevent import LibeventBufferevent
from real.libevent.callbacks import FATAL, LOG, ONCE, current
from real.libevent.layers import LibeventFilter, LibeventPairEnd
from real.libevent.library import load, timeval
from real.libevent.listener import LibeventListener
from real.libevent.memory import complain
from real.libevent.rates import LibeventGroup, Limits
from real.libevent.system_calls import SystemCalls, clear_errno
from real.libevent.tls import LibeventTls, LibeventTlsSocket, NativeEngine

EVENT_BASE_FLAG_NOLOCK = 0x01


class HasKernel(Protocol):
    """The part of a world that a base needs."""

    @property
    def readiness(self) -> ReadinessKernel | None: ...

    def now_ns(self) -> int: ...

    def log(self, severity: int, message: str) -> None:
        """A line that the subject logged."""

    def allocation_fails(self) -> bool:
        """Asked once for each allocation of the subject."""


class LibeventBase:
    """An event_base. One is alive at a time: the library's calls go to its kernel."""

    def __init__(self, world: HasKernel, debug: bool = False, pthreads: bool = False) -> None:
        if world.readiness is None:
            raise SimulatorError("libevent on this platform needs a readiness kernel")
        self.library = library = load(debug, pthreads)
        self.world = world
        real = getattr(world, "choices", None) is None
        self.calls = SystemCalls(world.readiness, world.now_ns, real)
        self.objects: dict[int, Any] = {}
        self.by_pointer: dict[int, LibeventBufferevent] = {}  # those that were not freed
        self.building: LibeventBufferevent | None = None  # a layer is being made on it
        self.limits = Limits(self)
        self.engines: dict[int, NativeEngine] = {}  # by the address of their SSL
        self.next_engine: NativeEngine | None = None
        self.timers: dict[int, Callable[[], None]] = {}
        self.number = 0
        self.log: list[str] = []
        clear_errno()
        library.event_set_log_callback(LOG)
        library.event_set_fatal_callback(FATAL)
        library.gate.calls = self.calls
        library.memory.begin()
        library.locks.misuse.clear()
        current.append(self)
        config = library.event_config_new()
        if not pthreads:
            library.event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK)
        self.pointer = library.event_base_new_with_config(config)
        library.event_config_free(config)
        self.raise_failure()
        if not self.pointer:
            raise SimulatorError(f"event_base_new failed: {'; '.join(self.log)}")
        library.gate.leave = lambda: library.event_base_loopbreak(self.pointer)
        library.memory.fails = world.allocation_fails  # without a base there is no run

    def name(self, thing: Any) -> int:
        """A number for `thing`, under which callbacks find it."""
        self.number += 1
        self.objects[self.number] = thing
        return self.number

    def raise_failure(self) -> None:
        """Raises what was raised below C since the last time."""
        failure, self.calls.failure = self.calls.failure, None
        if failure is not None:
            raise failure

    def guarded(self, call: Callable[..., None], *args: Any) -> None:
        """Runs a user's callback; what it raises is raised where the loop was called."""
        if self.calls.failure is not None:
            return
        try:
            call(*args)
        except BaseException as error:
            self.failed(error)

    def failed(self, error: BaseException) -> None:
        """Something was raised below C: it is raised again above, and the loop ends."""
        if self.calls.failure is None:
            self.calls.failure = error
        self.library.event_base_loopbreak(self.pointer)

    @contextmanager
    def unfailing(self) -> Iterator[None]:
        """Allocations of the harness, which are no part of the run: none of them fails."""
        memory = self.library.memory
        fails, memory.fails = memory.fails, None
        try:
            yield
        finally:
            memory.fails = fails

    # model.subject.Base.

    def bufferevent_socket_new(self, fd: int | None, options: int) -> LibeventBufferevent:
        return LibeventBufferevent.on_socket(self, fd, options)

    def bufferevent_pair_new(self, options: int) -> tuple[LibeventPairEnd, LibeventPairEnd]:
        return LibeventPairEnd.both(self, options)

    def bufferevent_filter_new(
        self, underlying: Underlying, filters: Filters, options: int
    ) -> LibeventFilter:
        return LibeventFilter(self, underlying, filters, options)

    def tls_engine(self, engine: Any) -> NativeEngine:
        """An engine of OpenSSL's own, with the settings of one of ours: for the next TLS."""
        native = NativeEngine(self, engine.settings)
        assert native.pointer is not None
        self.engines[native.pointer] = self.next_engine = native
        return native

    def bufferevent_ssl_filter_new(
        self, underlying: Underlying, engine: TlsEngine, state: SslState, options: int
    ) -> LibeventTls:
        native = self.next_engine
        assert native is not None
        return LibeventTls(self, underlying, native, engine, state, options)

    def bufferevent_ssl_socket_new(
        self, fd: int | None, engine: TlsEngine, state: SslState, options: int
    ) -> LibeventTlsSocket:
        native = self.next_engine
        assert native is not None
        return LibeventTlsSocket(self, fd, native, engine, state, options)

    def rate_limit_group_new(self, cfg: RateLimitConfig) -> LibeventGroup:
        return LibeventGroup(self, cfg)

    def listener_new(
        self,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int = LEV_OPT_CLOSE_ON_FREE,
    ) -> LibeventListener | KernelError:
        return LibeventListener.bind(self, callback, port, backlog, flags)

    def priority_init(self, npriorities: int) -> int:
        return int(self.library.event_base_priority_init(self.pointer, npriorities))

    def loopexit(self, timeout_ns: int = 0) -> None:
        self.library.event_base_loopexit(self.pointer, ctypes.byref(timeval(timeout_ns)))

    def loopcontinue(self) -> None:
        self.library.event_base_loopcontinue(self.pointer)

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None:
        self.number += 1
        self.timers[self.number] = callback
        when = timeval(timeout_ns)
        with self.unfailing():
            self.library.event_base_once(
                self.pointer, -1, EV_TIMEOUT, ONCE, self.number, ctypes.byref(when)
            )
        self.raise_failure()

    def loop(self, flags: int = 0) -> int:
        result: int = self.library.event_base_loop(self.pointer, flags)
        self.raise_failure()
        return result

    def loopbreak(self) -> None:
        self.library.event_base_loopbreak(self.pointer)

    def close_fd(self, fd: int) -> None:
        self.library.evutil_closesocket(fd)
        self.raise_failure()

    def free(self) -> int:
        self.library.memory.fails = None
        self.library.event_base_free(self.pointer)
        self.limits.free()
        for engine in self.engines.values():
            engine.free()
        self.library.gate.leave = None
        self.objects.clear()
        self.by_pointer.clear()
        self.timers.clear()
        current.remove(self)
        self.raise_failure()
        self.library.memory.flush()
        complain(self.library.memory.misuse + self.library.locks.misuse)
        # Debug mode keeps a table of events for the life of the process.
        return 0 if self.library.debug else len(self.library.memory.leaked())


def new_base(world: HasKernel, debug: bool = False) -> LibeventBase:
    """An event base on the world's kernel. `debug`: libevent checks how it is used."""
    return LibeventBase(world, debug)
