"""libevent's event base, bufferevents and listeners, as `model.subject` has them.

C holds no Python object: each object has a number, which is the callback argument, and one
function for each kind of callback finds the object by it. An object stays findable until its base
is freed, so a callback that comes after a free is seen (C-4) and touches nothing that is gone.
Pointers of freed bufferevents are forgotten: a call on one raises instead of reaching C.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any, Protocol

from model.errors import Errno, SimulatorError
from model.kernel import ReadinessKernel
from model.subject import (
    BEV_EVENT_ERROR,
    EV_TIMEOUT,
    AcceptCallback,
    DataCallback,
    EventCallback,
    KernelError,
    NotMade,
)
from real.libevent.library import (
    ACCEPT_CB,
    DATA_CB,
    EVENT_CB,
    FATAL_CB,
    LOG_CB,
    ONCE_CB,
    load,
    timeval,
)
from real.libevent.memory import Misuse
from real.libevent.system_calls import (
    SystemCalls,
    clear_errno,
    end_process,
    get_errno,
    socket_address,
)

EVENT_BASE_FLAG_NOLOCK = 0x01
LEV_OPT_CLOSE_ON_FREE, LEV_OPT_REUSEABLE = 0x02, 0x08


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
        library.event_set_log_callback(_LOG)
        library.event_set_fatal_callback(_FATAL)
        library.gate.calls = self.calls
        library.memory.begin()
        library.locks.misuse.clear()
        _current.append(self)
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
        self, callback: AcceptCallback | None, port: int, backlog: int
    ) -> LibeventListener | KernelError:
        return LibeventListener.bind(self, callback, port, backlog)

    def once(self, timeout_ns: int, callback: Callable[[], None]) -> None:
        self.number += 1
        self.timers[self.number] = callback
        when = timeval(timeout_ns)
        memory = self.library.memory
        fails, memory.fails = memory.fails, None  # the harness's own timers are no part of the run
        self.library.event_base_once(
            self.pointer, -1, EV_TIMEOUT, _ONCE, self.number, ctypes.byref(when)
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
        _current.remove(self)
        self.raise_failure()
        self.library.memory.flush()
        misuse = self.library.memory.misuse + self.library.locks.misuse
        if misuse:
            raise Misuse("; ".join(misuse[:3]))
        # Debug mode keeps a table of events for the life of the process.
        return 0 if self.library.debug else len(self.library.memory.leaked())


class LibeventBufferevent:
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
            _READ if readcb else _NO_DATA,
            _WRITE if writecb else _NO_DATA,
            _EVENT if eventcb else _NO_EVENT,
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
        cls, base: LibeventBase, callback: AcceptCallback | None, port: int, backlog: int
    ) -> LibeventListener | KernelError:
        """evconnlistener_new_bind on the loopback address."""
        self = cls(base, callback)
        address = socket_address(port)
        accept = _ACCEPT if callback is not None else _NO_ACCEPT
        options = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE
        pointer = base.library.evconnlistener_new_bind(
            base.pointer, accept, self.number, options, backlog, address, len(address)
        )
        base.raise_failure()
        if not pointer:
            return _errno_value(get_errno()) or Errno.EINVAL
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

    def enable(self) -> int:
        return self._call("evconnlistener_enable")

    def disable(self) -> int:
        return self._call("evconnlistener_disable")

    def free(self) -> None:
        self._call("evconnlistener_free")
        self._pointer = None


# What C calls. The last base made is the current one.

_current: list[LibeventBase] = []
_POINTER = re.compile(r"0x[0-9a-f]+")  # another one in every run
_ERRNO_NAMES = {member.value: member for member in Errno}


def _errno_value(number: int) -> Errno | None:
    return _ERRNO_NAMES.get(number)


def _on_read(_: int, number: int) -> None:
    base = _current[-1]
    bev = base.objects[number]
    if bev.readcb is not None:
        base.guarded(bev.readcb, bev)


def _on_write(_: int, number: int) -> None:
    base = _current[-1]
    bev = base.objects[number]
    if bev.writecb is not None:
        base.guarded(bev.writecb, bev)


def _on_event(_: int, what: int, number: int) -> None:
    error = _errno_value(get_errno())
    base = _current[-1]
    bev = base.objects[number]
    bev.error = error if what & BEV_EVENT_ERROR else None  # of no other event does it mean much
    if bev.eventcb is not None:
        base.guarded(bev.eventcb, bev, what & 0xFFFF)


def _on_accept(_: int, fd: int, address: int, length: int, number: int) -> None:
    base = _current[-1]
    listener = base.objects[number]
    port = int.from_bytes(ctypes.string_at(address + 2, 2), "big")
    base.guarded(listener.callback, listener, fd, port)


def _on_timer(_: int, what: int, number: int) -> None:
    base = _current[-1]
    base.guarded(base.timers.pop(number))


def _on_log(severity: int, message: bytes) -> None:
    text = _POINTER.sub("0x...", message.decode(errors="replace"))
    if _current:
        _current[-1].log.append(text)
        _current[-1].world.log(severity, text)


def _on_fatal(number: int) -> None:
    """libevent's next step is exit(3) or abort(3)."""
    base = _current[-1] if _current else None
    end_process(base.log[-1] if base is not None and base.log else f"fatal error {number}")


_READ, _WRITE, _EVENT = DATA_CB(_on_read), DATA_CB(_on_write), EVENT_CB(_on_event)
_ACCEPT, _ONCE = ACCEPT_CB(_on_accept), ONCE_CB(_on_timer)
_LOG, _FATAL = LOG_CB(_on_log), FATAL_CB(_on_fatal)
_NO_DATA, _NO_EVENT, _NO_ACCEPT = DATA_CB(), EVENT_CB(), ACCEPT_CB()


def new_base(world: HasKernel, debug: bool = False) -> LibeventBase:
    """An event base on the world's kernel. `debug`: libevent checks how it is used."""
    return LibeventBase(world, debug)
