"""libevent's pairs and filters.

A filter's functions are those of the model: they get the buffers of both ends, and what they do to
them is libevent's own evbuffer code.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from model.layer import FilterFunction, FilterResult, Filters
from model.subject import BEV_OPT_CLOSE_ON_FREE, NotMade
from real.libevent.bufferevent import LibeventBufferevent
from real.libevent.callbacks import current
from real.libevent.layer_prototypes import FILTER_CB, FREE_CB

if TYPE_CHECKING:
    from real.libevent.subject import LibeventBase


class LibeventPairEnd(LibeventBufferevent):
    """One end of a pair."""

    @classmethod
    def both(cls, base: LibeventBase, options: int) -> tuple[LibeventPairEnd, LibeventPairEnd]:
        """bufferevent_pair_new. Raises `NotMade`."""
        pair = (ctypes.c_void_p * 2)()
        failed = base.library.bufferevent_pair_new(base.pointer, options, pair)
        base.raise_failure()
        if failed:
            raise NotMade
        first, second = pair[0], pair[1]
        assert first is not None and second is not None
        return cls(base, first), cls(base, second)

    def get_partner(self) -> LibeventBufferevent | None:
        partner = self.library.bufferevent_pair_get_partner(self.pointer)
        return self.base.by_pointer.get(partner)


class Layer(LibeventBufferevent):
    """A bufferevent on another one: `underlying` is the wrapper of that, which writes its trace."""

    def __init__(self, base: LibeventBase, underlying: Any, options: int, pointer: int) -> None:
        super().__init__(base, pointer)
        self.underlying = underlying
        self.lower: LibeventBufferevent = underlying.input.owner
        self.options = options

    def get_underlying(self) -> Any:
        return self.underlying

    def getfd(self) -> int | None:
        fd: int | None = self.underlying.getfd()
        return fd

    def socket_connect(self, port: int) -> int:
        """The one below connects: libevent's own, on a filter, takes it for a socket's."""
        result: int = self.underlying.socket_connect(port)
        return result

    def free(self) -> None:
        if not self.options & BEV_OPT_CLOSE_ON_FREE:
            self.library.inside.put_back(self.lower)
        super().free()


class LibeventFilter(Layer):
    """bufferevent_filter_new."""

    def __init__(self, base: LibeventBase, underlying: Any, filters: Filters, options: int) -> None:
        self.functions: tuple[FilterFunction | None, FilterFunction | None] = filters[:2]
        self.free_context = filters.free_context
        number = base.name(self)
        lower = underlying.input.owner
        lower.wrapper, base.building = underlying, lower
        pointer = base.library.bufferevent_filter_new(
            lower.pointer, IN, OUT, options, FREE if filters.free_context else FREE_CB(), number
        )
        base.building = None
        base.raise_failure()
        if not pointer:
            lower.wrapper = None
            raise NotMade
        super().__init__(base, underlying, options, pointer)

    def process(self, way: int, limit: int, mode: int) -> FilterResult:
        """The function of one direction, 0 for input."""
        function = self.functions[way]
        source, target = self.lower.input, self.input
        if way:
            source, target = self.output, self.lower.output
        assert function is not None
        return function(source, target, limit, mode)  # type: ignore[arg-type]  # evbuffers of one kind


def _run(way: int, limit: int, mode: int, number: int) -> int:
    base = current[-1]
    if base.calls.failure is not None:
        return FilterResult.ERROR
    try:
        return int(base.objects[number].process(way, limit, mode))
    except BaseException as error:  # it must not pass through C
        base.failed(error)
        return FilterResult.ERROR


def _input(_: int, __: int, limit: int, mode: int, number: int) -> int:
    return _run(0, limit, mode, number)


def _output(_: int, __: int, limit: int, mode: int, number: int) -> int:
    return _run(1, limit, mode, number)


def _free_context(number: int) -> None:
    base = current[-1]
    base.guarded(base.objects[number].free_context)


IN, OUT, FREE = FILTER_CB(_input), FILTER_CB(_output), FREE_CB(_free_context)
