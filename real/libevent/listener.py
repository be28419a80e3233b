"""libevent's listeners (event2/listener.h), as `model.subject` has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.errors import Errno, SimulatorError
from model.subject import (
    LEV_OPT_REUSEABLE,
    AcceptCallback,
    AcceptErrorCallback,
    KernelError,
)
from real.libevent.callbacks import ACCEPT, NO_ACCEPT, errno_value
from real.libevent.system_calls import get_errno, socket_address
from real.libevent.unbound import refuse

if TYPE_CHECKING:
    from real.libevent.subject import LibeventBase


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
