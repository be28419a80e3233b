"""What a bufferevent that sits on another one needs of it, and what a filter function is.

`Underlying` is all that a layer (a filter, TLS) may use of the bufferevent below: every bufferevent
satisfies it, and so does the wrapper that writes its trace. To the one below, the layer is its
application.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, Protocol, TypeAlias

from model.evbuffer import Evbuffer
from model.subject import DataCallback, EventCallback, Failure

#: the read, write and event callback of a bufferevent, as bufferevent_getcb tells them
Callbacks: TypeAlias = tuple[DataCallback | None, DataCallback | None, EventCallback | None]


class Underlying(Protocol):
    """The bufferevent below a layer."""

    @property
    def input(self) -> Evbuffer: ...

    @property
    def output(self) -> Evbuffer: ...

    @property
    def wm_write_high(self) -> int:
        """Bytes of output from which on a layer above gives no more; 0: no limit."""

    def enable(self, mask: int) -> int: ...

    def disable(self, mask: int) -> int: ...

    def get_enabled(self) -> int: ...

    def setcb(
        self,
        readcb: DataCallback | None,
        writecb: DataCallback | None,
        eventcb: EventCallback | None,
    ) -> None: ...

    def getcb(self) -> Callbacks: ...

    def suspend_read(self, why: int) -> None: ...

    def unsuspend_read(self, why: int) -> None: ...

    def flush(self, iotype: int, mode: int) -> int: ...

    def getfd(self) -> int | None: ...

    def setfd(self, fd: int | None) -> int: ...

    def socket_connect(self, port: int) -> int: ...

    def socket_error(self) -> Failure | None: ...

    def incref(self) -> None: ...

    def decref(self) -> None: ...

    def free(self) -> None: ...


class FilterResult(IntEnum):
    """enum bufferevent_filter_result (event2/bufferevent.h). All but OK end a round of calls."""

    OK = 0  # it did something: it is called again if there is more
    NEED_MORE = 1  # it cannot go on with what there is
    ERROR = 2  # the round ends; no event tells of it


#: (source, destination, limit, mode): moves bytes; `limit` is how many the destination should
#: take at most, -1 without one; advice only. `mode` is BEV_NORMAL, BEV_FLUSH or BEV_FINISHED.
FilterFunction: TypeAlias = Callable[[Evbuffer, Evbuffer, int, int], FilterResult]


class Filters(NamedTuple):
    """The functions of one filter; None moves the bytes unchanged.

    `input` moves what the bufferevent below received, `output` what the application wrote;
    `free_context` is called once, when the filter's memory is released.
    """

    input: FilterFunction | None = None
    output: FilterFunction | None = None
    free_context: Callable[[], None] | None = None


def move(source: Evbuffer, destination: Evbuffer, size: int) -> int:
    """Moves up to `size` bytes whatever is frozen: the number moved. They leave before they come,
    as in evbuffer_add_buffer."""
    if size >= source.length:
        return destination.take_frozen(source) if source.length else 0
    if size <= 0:
        return 0
    data = source.copyout(size)
    source.drain_frozen(size)
    destination.append_frozen(data)
    return size
