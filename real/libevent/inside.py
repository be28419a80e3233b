"""What libevent's own code asks of a bufferevent: seen, and then done.

The library reaches its own functions through slots too, since they are exported. So what a layer
does to the bufferevent below it, and why a direction is suspended, can be told in the same words as
of the model: the call goes to the wrapper that writes the trace, and from there to the function
itself. The library does what it would have done.

One thing is changed: a rate limit group's random order begins with its own address, which differs
from process to process; it gets a fixed seed.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from model.subject import DataCallback, EventCallback
from real.libevent.callbacks import current
from real.libevent.layer_prototypes import INSIDE
from real.libevent.library import DATA_CB, EVENT_CB
from real.libevent.system_calls import set_errno

if TYPE_CHECKING:
    from real.libevent.bufferevent import LibeventBufferevent

_SEED = 1
READ, WRITE = 0, 1


class Inside:
    """The functions that the slots point to, and those that they stand for."""

    def __init__(self, core: ctypes.CDLL, released: bool = False) -> None:
        """`released`: other threads run while it works, and while it waits for a lock."""
        kind = ctypes.CFUNCTYPE if released else ctypes.PYFUNCTYPE
        self._real: dict[str, Any] = {}
        self._kept: list[Any] = []
        self.addresses: dict[str, int] = {}
        for name, (result, *arguments) in INSIDE.items():
            prototype = kind(result, *arguments)
            target = ctypes.cast(getattr(core, name), ctypes.c_void_p).value
            assert target is not None
            self._real[name] = prototype(target)
            self.addresses[name] = self._stand_in(name, prototype)

    def _stand_in(self, name: str, prototype: Any) -> int:
        method = getattr(self, f"_{name.strip('_')}")

        def call(*args: Any) -> Any:
            try:
                return method(*args)
            except BaseException as error:  # it must not pass through C
                if current:
                    current[-1].failed(error)
                return 0

        function = prototype(call)
        self._kept.append(function)
        address = ctypes.cast(function, ctypes.c_void_p).value
        assert address is not None
        return address

    @staticmethod
    def _known(pointer: int) -> LibeventBufferevent | None:
        return current[-1].by_pointer.get(pointer) if current else None

    def _below(self, pointer: int) -> Any:
        """The wrapper of a bufferevent that something sits on."""
        bev = self._known(pointer)
        return None if bev is None else bev.wrapper

    # Suspensions.

    def _bufferevent_suspend_read(self, pointer: int, why: int) -> None:
        bev = self._known(pointer)
        if bev is not None:
            bev.suspend(READ, why)
        self._real["bufferevent_suspend_read_"](pointer, why)

    def _bufferevent_unsuspend_read(self, pointer: int, why: int) -> None:
        bev = self._known(pointer)
        if bev is not None:
            bev.unsuspend(READ, why)
        self._real["bufferevent_unsuspend_read_"](pointer, why)

    def _bufferevent_suspend_write(self, pointer: int, why: int) -> None:
        bev = self._known(pointer)
        if bev is not None:
            bev.suspend(WRITE, why)
        self._real["bufferevent_suspend_write_"](pointer, why)

    def _bufferevent_unsuspend_write(self, pointer: int, why: int) -> None:
        bev = self._known(pointer)
        if bev is not None:
            bev.unsuspend(WRITE, why)
        self._real["bufferevent_unsuspend_write_"](pointer, why)

    # A layer's calls on the one below.

    def _bufferevent_setcb(self, pointer: int, read: int, write: int, event: int, arg: int) -> None:
        wrapper = self._below(pointer)
        if wrapper is None:
            self._real["bufferevent_setcb"](pointer, read, write, event, arg)
            return
        bev = current[-1].by_pointer[pointer]
        bev.layers_callbacks = (read, write, event, arg)
        wrapper.setcb(
            _data(pointer, read, arg), _data(pointer, write, arg), _event(bev, pointer, event, arg)
        )

    def _bufferevent_enable(self, pointer: int, mask: int) -> int:
        bev = self._known(pointer)
        if bev is None or bev.wrapper is None or current[-1].building is not bev:
            result: int = self._real["bufferevent_enable"](pointer, mask)
            return result
        return int(bev.wrapper.enable(mask))

    def _bufferevent_setwatermark(self, pointer: int, mask: int, low: int, high: int) -> None:
        wrapper = self._below(pointer)
        if wrapper is None:
            self._real["bufferevent_setwatermark"](pointer, mask, low, high)
        else:
            wrapper.setwatermark(mask, low, high)

    def _bufferevent_flush(self, pointer: int, iotype: int, mode: int) -> int:
        wrapper = self._below(pointer)
        if wrapper is None:
            return int(self._real["bufferevent_flush"](pointer, iotype, mode))
        return int(wrapper.flush(iotype, mode))

    def _bufferevent_free(self, pointer: int) -> None:
        wrapper = self._below(pointer)
        if wrapper is None:
            self._real["bufferevent_free"](pointer)
        else:
            wrapper.free()

    def put_back(self, bev: LibeventBufferevent) -> None:
        """Sets the callbacks that the layer above set itself: it is about to look whether they are
        its own (bufferevent_filter.c: be_filter_unlink)."""
        if bev.alive and bev.layers_callbacks is not None:
            self._real["bufferevent_setcb"](bev.pointer, *bev.layers_callbacks)

    def _evutil_weakrand_seed(self, state: int, seed: int) -> int:
        return int(self._real["evutil_weakrand_seed_"](state, _SEED))


def _data(pointer: int, address: int, arg: int) -> DataCallback | None:
    if not address:
        return None
    function = DATA_CB(address)

    def forward(_: object) -> None:
        function(pointer, arg)

    return forward


def _event(bev: LibeventBufferevent, pointer: int, address: int, arg: int) -> EventCallback | None:
    if not address:
        return None
    function = EVENT_CB(address)

    def forward(_: object, what: int) -> None:
        set_errno(bev.errno)  # whoever is told next reads it
        function(pointer, what, arg)

    return forward
