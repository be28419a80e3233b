"""libevent's bufferevents, as `model.subject` has them.

C holds no Python object: each object has a number, which is the callback argument. A pointer is
forgotten when its bufferevent is freed: a call on one raises instead of reaching C.
"""

from __future__ import annotations

import ctypes
from functools import cached_property
from typing import TYPE_CHECKING, Any

from model.errors import SimulatorError
from model.subject import (
    BEV_EVENT_ERROR,
    EV_WRITE,
    DataCallback,
    EventCallback,
    Failure,
    KernelError,
    NotMade,
)
from real.libevent.callbacks import EVENT, NO_DATA, NO_EVENT, READ, WRITE
from real.libevent.evbuffer import LibeventBuffer
from real.libevent.library import timeval
from real.libevent.rates import LibeventRates
from real.libevent.system_calls import socket_address

if TYPE_CHECKING:
    from real.libevent.subject import LibeventBase


class LibeventBufferevent(LibeventRates):
    """A struct bufferevent; as it is, one on a socket."""

    def __init__(self, base: LibeventBase, pointer: int) -> None:
        self.base = base
        self.library = base.library
        self._pointer: int | None = pointer
        base.by_pointer[pointer] = self
        self.number = base.name(self)
        self.readcb: DataCallback | None = None
        self.writecb: DataCallback | None = None
        self.eventcb: EventCallback | None = None
        self.error: Failure | None = None
        self.errno = self.what = 0  # of the event callback that ran last
        self.wrapper: Any = None  # of one that a layer sits on: its calls go there
        self.layers_callbacks: tuple[int, int, int, int] | None = None  # what the layer set
        self._input = self.library.bufferevent_get_input(pointer)
        self._output = self.library.bufferevent_get_output(pointer)
        self._init_rates()

    @classmethod
    def on_socket(cls, base: LibeventBase, fd: int | None, options: int) -> LibeventBufferevent:
        """bufferevent_socket_new. Raises `NotMade`."""
        pointer = base.library.bufferevent_socket_new(
            base.pointer, -1 if fd is None else fd, options
        )
        base.raise_failure()
        if not pointer:
            raise NotMade
        return cls(base, pointer)

    @cached_property
    def input(self) -> LibeventBuffer:
        return LibeventBuffer(self, self._input)

    @cached_property
    def output(self) -> LibeventBuffer:
        return LibeventBuffer(self, self._output)

    @property
    def alive(self) -> bool:
        """Whether it may be called: it was not freed."""
        return self._pointer is not None

    @property
    def wm_write_high(self) -> int:
        watermarks = self.getwatermark(EV_WRITE)
        return watermarks[1] if isinstance(watermarks, tuple) else 0

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

    def disable_hard(self, mask: int) -> int:
        return self._call("bufferevent_disable_hard_", mask)

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
        return size if not self._call("bufferevent_write_buffer", self._input) else 0

    def input_length(self) -> int:
        return int(self.library.evbuffer_get_length(self._input)) if self._pointer else 0

    def output_length(self) -> int:
        return int(self.library.evbuffer_get_length(self._output)) if self._pointer else 0

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
        low, high = ctypes.c_size_t(), ctypes.c_size_t()
        got = self._call(
            "bufferevent_getwatermark", direction, ctypes.byref(low), ctypes.byref(high)
        )
        return got or (low.value, high.value)

    def get_underlying(self) -> Any:
        """A socket's sits on nothing."""
        return None

    def get_partner(self) -> LibeventBufferevent | None:
        """Only the end of a pair has one."""
        return None

    def flush(self, iotype: int, mode: int) -> int:
        return self._call("bufferevent_flush", iotype, mode)

    def drain_output(self) -> int:
        return int(self.library.evbuffer_drain(self._output, self.output_length()))

    def priority_set(self, priority: int) -> int:
        return self._call("bufferevent_priority_set", priority)

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

    def failure(self, what: int, error: KernelError | None) -> Failure | None:
        """What an event tells: errno, if it is an ERROR; of no other does it mean much."""
        return error if what & BEV_EVENT_ERROR else None

    def socket_error(self) -> Failure | None:
        return self.error

    def incref(self) -> None:
        self._call("bufferevent_incref")

    def decref(self) -> None:
        """The last reference is the end of it, as of `free`."""
        if self._call("bufferevent_decref"):
            self._forget()

    def free(self) -> None:
        self._call("bufferevent_free")
        self._forget()

    def _forget(self) -> None:
        if self._pointer is not None and self.base.by_pointer.get(self._pointer) is self:
            del self.base.by_pointer[self._pointer]
        self._pointer = None
