"""libevent's event base, bufferevents and listeners, as `model.subject` has them.

C holds no Python object: each object has a number, which is the callback argument, and one
function for each kind of callback finds the object by it. An object stays findable until its base
is freed, so a callback that comes after a free is seen (C-4) and touches nothing that is gone.
Pointers of freed bufferevents are forgotten: a call on one raises instead of reaching C.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Protocol

from model.errors import Errno, SimulatorError
from model.kernel import ReadinessKernel
from model.subject import (
    EV_TIMEOUT,
    LEV_OPT_CLOSE_ON_FREE,
    LEV_OPT_REUSEABLE,
    AcceptCallback,
    AcceptErrorCallback,
    DataCallback,
    EventCallback,
    KernelError,
    NotMade,
)
from real.libevent.callbacks import (
    ACCEPT,
    EVENT,
    FATAL,
    LOG,
    NO_ACCEPT,
    NO_DATA,
    NO_EVENT,
    ONCE,
    READ,
    WRITE,
    current,
    errno_value,
)
from real.libevent.library import (
    load,
    timeval,
)
from real.libevent.memory import Misuse
from real.libevent.system_calls import (
    SystemCalls,
    clear_errno,
    get_errno,
    socket_address,
)
from real.libevent.unbound import UnboundBase, UnboundBufferevent, refuse

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


class LibeventBase(UnboundBase):
    """An event_base. One is alive at a time: the library's calls go to its kernel."""

    def __init__(self, world: HasKernel, debug: bool = False) -> None:
        if world.readiness is None:
            raise SimulatorError("libevent on this platform needs a readiness kernel")
        self.library = library = load(debug)
        self.world = world
        self.calls = SystemCalls(world.readiness, world.now_ns)
        self.objects: dict[int, Any] = {}
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
            self.calls.failure = error
            self.library.event_base_loopbreak(self.pointer)

    # model.subject.Base.

    def bufferevent_socket_new(self, fd: int | None, options: int) -> LibeventBufferevent:
        return LibeventBufferevent(self, fd, options)

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
        memory = self.library.memory
        fails, memory.fails = memory.fails, None  # the harness's own timers are no part of the run
        self.library.event_base_once(
            self.pointer, -1, EV_TIMEOUT, ONCE, self.number, ctypes.byref(when)
        )
        memory.fails = fails
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
        self.library.gate.leave = None
        self.objects.clear()
        self.timers.clear()
        current.remove(self)
        self.raise_failure()
        self.library.memory.flush()
        misuse = self.library.memory.misuse + self.library.locks.misuse
        if misuse:
            raise Misuse("; ".join(misuse[:3]))
        # Debug mode keeps a table of events for the life of the process.
        return 0 if self.library.debug else len(self.library.memory.leaked())


class LibeventBufferevent(UnboundBufferevent):
    """A struct bufferevent."""

    def __init__(self, base: LibeventBase, fd: int | None, options: int) -> None:
        self.base = base
        self.library = base.library
        pointer = self.library.bufferevent_socket_new(
            base.pointer, -1 if fd is None else fd, options
        )
        base.raise_failure()
        if not pointer:
            raise NotMade
        self._pointer: int | None = pointer
        self.number = base.name(self)
        self.readcb: DataCallback | None = None
        self.writecb: DataCallback | None = None
        self.eventcb: EventCallback | None = None
        self.error: KernelError | None = None
        self.input = self.library.bufferevent_get_input(pointer)
        self.output = self.library.bufferevent_get_output(pointer)

    @property
    def pointer(self) -> int:
        """Its address. Raises once it was freed."""
        if self._pointer is None:
            raise SimulatorError("a call on a bufferevent that was freed")
        return self._pointer

    def _call(self, name: str, *args: Any) -> int:
        result = getattr(self.library, name)(self.pointer, *args)
        self.base.raise_failure()
        return int(result or 0)

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None:
        self.readcb, self.writecb, self.eventcb = readcb, writecb, eventcb
        self._call(
            "bufferevent_setcb",
            READ if readcb else NO_DATA,
            WRITE if writecb else NO_DATA,
            EVENT if eventcb else NO_EVENT,
            self.number,
        )

    def enable(self, mask: int) -> int:
        return self._call("bufferevent_enable", mask)

    def disable(self, mask: int) -> int:
        return self._call("bufferevent_disable", mask)

    def get_enabled(self) -> int:
        return self._call("bufferevent_get_enabled")

    def write(self, data: bytes) -> int:
        return self._call("bufferevent_write", data, len(data))

    def read(self, size: int) -> bytes:
        buffer = ctypes.create_string_buffer(min(size, self.input_length()) or 1)
        got = self._call("bufferevent_read", buffer, min(size, len(buffer)) if size else 0)
        return buffer.raw[:got]

    def write_input(self) -> int:
        size = self.input_length()
        return size if not self._call("bufferevent_write_buffer", self.input) else 0

    def input_length(self) -> int:
        return int(self.library.evbuffer_get_length(self.input)) if self._pointer else 0

    def output_length(self) -> int:
        return int(self.library.evbuffer_get_length(self.output)) if self._pointer else 0

    def setwatermark(self, mask: int, low: int, high: int) -> None:
        self._call("bufferevent_setwatermark", mask, low, high)

    def set_timeouts(self, read_ns: int | None, write_ns: int | None) -> int:
        read, write = (None if each is None else timeval(each) for each in (read_ns, write_ns))
        return self._call(
            "bufferevent_set_timeouts",
            None if read is None else ctypes.byref(read),
            None if write is None else ctypes.byref(write),
        )

    def getcb(self) -> tuple[DataCallback | None, DataCallback | None, EventCallback | None]:
        return self.readcb, self.writecb, self.eventcb

    def getwatermark(self, direction: int) -> tuple[int, int] | int:
        refuse("bufferevent_getwatermark")

    def flush(self, iotype: int, mode: int) -> int:
        return self._call("bufferevent_flush", iotype, mode)

    def drain_output(self) -> int:
        return int(self.library.evbuffer_drain(self.output, self.output_length()))

    def priority_set(self, priority: int) -> int:
        return self._call("bufferevent_priority_set", priority)

    def set_max_single_read(self, size: int) -> int:
        return self._call("bufferevent_set_max_single_read", size)

    def set_max_single_write(self, size: int) -> int:
        return self._call("bufferevent_set_max_single_write", size)

    def trigger(self, iotype: int, options: int) -> None:
        self._call("bufferevent_trigger", iotype, options)

    def trigger_event(self, what: int, options: int) -> None:
        self._call("bufferevent_trigger_event", what, options)

    def socket_connect(self, port: int) -> int:
        address = socket_address(port)
        return self._call("bufferevent_socket_connect", address, len(address))

    def getfd(self) -> int | None:
        fd = self._call("bufferevent_getfd")
        return None if fd < 0 else fd

    def setfd(self, fd: int | None) -> int:
        return self._call("bufferevent_setfd", -1 if fd is None else fd)

    def socket_error(self) -> KernelError | None:
        return self.error

    def free(self) -> None:
        self._call("bufferevent_free")
        self._pointer = None


class LibeventListener:
    """An evconnlistener."""

    def __init__(self, base: LibeventBase, callback: AcceptCallback | None) -> None:
        self.base = base
        self.library = base.library
        self.callback = callback
        self.number = base.name(self)
        self._pointer: int | None = None
        self._port = 0

    @classmethod
    def bind(
        cls,
        base: LibeventBase,
        callback: AcceptCallback | None,
        port: int,
        backlog: int,
        flags: int,
    ) -> LibeventListener | KernelError:
        """evconnlistener_new_bind on the loopback address."""
        self = cls(base, callback)
        address = socket_address(port)
        accept = ACCEPT if callback is not None else NO_ACCEPT
        options = flags | LEV_OPT_REUSEABLE
        pointer = base.library.evconnlistener_new_bind(
            base.pointer, accept, self.number, options, backlog, address, len(address)
        )
        base.raise_failure()
        if not pointer:
            return errno_value(get_errno()) or Errno.EINVAL
        self._pointer = pointer
        listening = base.calls.kernel.getsockname(base.library.evconnlistener_get_fd(pointer))
        if isinstance(listening, Errno):
            raise SimulatorError(f"a listener without a port: {listening.name}")
        self._port = listening
        return self

    @property
    def port(self) -> int:
        return self._port

    def _call(self, name: str) -> int:
        if self._pointer is None:
            raise SimulatorError("a call on a listener that was freed")
        result = getattr(self.library, name)(self._pointer)
        self.base.raise_failure()
        return int(result or 0)

    def set_cb(self, callback: AcceptCallback | None) -> None:
        self.callback = callback
        if self._pointer is not None:
            accept = ACCEPT if callback is not None else NO_ACCEPT
            self.library.evconnlistener_set_cb(self._pointer, accept, self.number)

    def set_error_cb(self, callback: AcceptErrorCallback | None) -> None:
        if callback is not None:
            refuse("a listener's error callback")

    def enable(self) -> int:
        return self._call("evconnlistener_enable")

    def disable(self) -> int:
        return self._call("evconnlistener_disable")

    def free(self) -> None:
        self._call("evconnlistener_free")
        self._pointer = None


def new_base(world: HasKernel, debug: bool = False) -> LibeventBase:
    """An event base on the world's kernel. `debug`: libevent checks how it is used."""
    return LibeventBase(world, debug)
