"""libevent's evbuffer alone (event2/buffer.h), with the names of `model.evbuffer.Evbuffer`.

No event base is needed, and nothing here reaches a descriptor. What a call returns is what libevent
returns; bytes are copied out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from real.libevent.layer_prototypes import BUFFER_CB, BufferChange
from real.libevent.library import Library

_P, _I, _Z, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_ssize_t


class Pointer(ctypes.Structure):
    """struct evbuffer_ptr."""

    _fields_ = (("pos", _S), ("chain", _P), ("pos_in_chain", _Z))


class Vector(ctypes.Structure):
    """struct evbuffer_iovec."""

    _fields_ = (("base", _P), ("length", _Z))


CLEANUP_CB = ctypes.PYFUNCTYPE(None, _P, _Z, _P)
_POINTER, _VECTORS = ctypes.POINTER(Pointer), ctypes.POINTER(Vector)
_SIZES = ctypes.POINTER(_Z)

#: name -> result, arguments
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "new": (_P,),
    "free": (None, _P),
    "get_length": (_Z, _P),
    "get_contiguous_space": (_Z, _P),
    "add": (_I, _P, ctypes.c_char_p, _Z),
    "prepend": (_I, _P, ctypes.c_char_p, _Z),
    "drain": (_I, _P, _Z),
    "remove": (_I, _P, _P, _Z),
    "copyout": (_S, _P, _P, _Z),
    "copyout_from": (_S, _P, _POINTER, _P, _Z),
    "pullup": (_P, _P, _S),
    "expand": (_I, _P, _Z),
    "add_buffer": (_I, _P, _P),
    "prepend_buffer": (_I, _P, _P),
    "remove_buffer": (_I, _P, _P, _Z),
    "add_buffer_reference": (_I, _P, _P),
    "add_reference": (_I, _P, _P, _Z, CLEANUP_CB, _P),
    "freeze": (_I, _P, _I),
    "unfreeze": (_I, _P, _I),
    "ptr_set": (_I, _P, _POINTER, _Z, _I),
    "search": (Pointer, _P, ctypes.c_char_p, _Z, _POINTER),
    "search_range": (Pointer, _P, ctypes.c_char_p, _Z, _POINTER, _POINTER),
    "search_eol": (Pointer, _P, _POINTER, _SIZES, _I),
    "readln": (_P, _P, _SIZES, _I),
    "peek": (_I, _P, _S, _POINTER, _VECTORS, _I),
    "reserve_space": (_I, _P, _S, _VECTORS, _I),
    "commit_space": (_I, _P, _VECTORS, _I),
    "add_cb": (_P, _P, BUFFER_CB, _P),
}


class Functions:
    """evbuffer_* of a loaded library, without the prefix."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.kept: list[Any] = []
        for name, (result, *arguments) in PROTOTYPES.items():
            prototype = ctypes.PYFUNCTYPE(result, *arguments)
            address = ctypes.cast(getattr(library.core, f"evbuffer_{name}"), _P).value
            assert address is not None
            setattr(self, name, prototype(address))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"evbuffer_{name} has no prototype here")


class Found(NamedTuple):
    """Where a search ended: a place, and the length of a line's end."""

    pos: int
    length: int = 0


class LibeventEvbuffer:
    """An evbuffer of one's own. `log` gets (orig_size, n_added, n_deleted) of every change."""

    def __init__(self, functions: Functions) -> None:
        self._call = functions
        self.log: list[tuple[int, int, int]] = []
        self._kept: list[Any] = []
        self.pointer = functions.new()
        callback = BUFFER_CB(self._changed)
        self._kept.append(callback)
        functions.add_cb(self.pointer, callback, None)

    def _changed(self, _: int, info: int, __: int) -> None:
        told = BufferChange.from_address(info)
        self.log.append((told.orig_size, told.n_added, told.n_deleted))

    @property
    def length(self) -> int:
        return int(self._call.get_length(self.pointer))

    @property
    def contiguous_space(self) -> int:
        return int(self._call.get_contiguous_space(self.pointer))

    def free(self) -> None:
        self._call.free(self.pointer)

    def add(self, data: bytes) -> int:
        return int(self._call.add(self.pointer, data, len(data)))

    def prepend(self, data: bytes) -> int:
        return int(self._call.prepend(self.pointer, data, len(data)))

    def drain(self, size: int) -> int:
        return int(self._call.drain(self.pointer, size))

    def remove(self, size: int) -> bytes | None:
        """None where libevent gives -1."""
        memory = ctypes.create_string_buffer(max(size, 1))
        got = self._call.remove(self.pointer, memory, size)
        return None if got < 0 else memory.raw[:got]

    def copyout(self, size: int, start: int | None = None) -> bytes | None:
        memory = ctypes.create_string_buffer(max(size, 1))
        if start is None:
            got = self._call.copyout(self.pointer, memory, size)
        else:
            place = self._place(start)
            if place is None:
                return None
            got = self._call.copyout_from(self.pointer, ctypes.byref(place), memory, size)
        return None if got < 0 else memory.raw[:got]

    def _place(self, position: int) -> Pointer | None:
        place = Pointer()
        failed = self._call.ptr_set(self.pointer, ctypes.byref(place), position, 0)
        return None if failed else place

    def has_position(self, position: int) -> bool:
        """Whether evbuffer_ptr_set takes it."""
        return self._place(position) is not None

    def pullup(self, size: int) -> bytes | None:
        wanted = self.length if size < 0 else size
        address = self._call.pullup(self.pointer, size)
        return ctypes.string_at(address, wanted) if address else None

    def expand(self, size: int) -> int:
        return int(self._call.expand(self.pointer, size))

    def add_buffer(self, source: LibeventEvbuffer) -> int:
        return int(self._call.add_buffer(self.pointer, source.pointer))

    def prepend_buffer(self, source: LibeventEvbuffer) -> int:
        return int(self._call.prepend_buffer(self.pointer, source.pointer))

    def remove_buffer(self, target: LibeventEvbuffer, size: int) -> int:
        return int(self._call.remove_buffer(self.pointer, target.pointer, size))

    def add_buffer_reference(self, source: LibeventEvbuffer) -> int:
        return int(self._call.add_buffer_reference(self.pointer, source.pointer))

    def add_reference(self, data: bytes, cleanup: Callable[[], None]) -> int:
        """The memory is a copy of `data`."""
        memory = ctypes.create_string_buffer(data, max(len(data), 1))
        function = CLEANUP_CB(lambda *_: cleanup())
        self._call.kept.append((memory, function))  # views may outlive this buffer
        return int(
            self._call.add_reference(
                self.pointer, ctypes.addressof(memory), len(data), function, None
            )
        )

    def freeze(self, at_front: bool) -> int:
        return int(self._call.freeze(self.pointer, int(at_front)))

    def unfreeze(self, at_front: bool) -> int:
        return int(self._call.unfreeze(self.pointer, int(at_front)))

    def search(self, what: bytes, start: int = 0, end: int | None = None) -> int:
        """-1 where it is not."""
        first = self._place(start)
        last = None if end is None else self._place(end)
        if first is None or (end is not None and last is None):
            return -1
        found: Pointer
        if last is None:
            found = self._call.search(self.pointer, what, len(what), ctypes.byref(first))
        else:
            found = self._call.search_range(
                self.pointer, what, len(what), ctypes.byref(first), ctypes.byref(last)
            )
        return int(found.pos)

    def search_eol(self, style: int, start: int = 0) -> Found | None:
        place, size = self._place(start), _Z()
        if place is None:
            return None
        found = self._call.search_eol(self.pointer, ctypes.byref(place), ctypes.byref(size), style)
        return None if found.pos < 0 else Found(int(found.pos), size.value)

    def readln(self, style: int) -> bytes | None:
        size = _Z()
        line = self._call.readln(self.pointer, ctypes.byref(size), style)
        if not line:
            return None
        data = ctypes.string_at(line, size.value)
        self._call.library.memory.functions[2](line)  # it is from libevent's allocator
        return data

    def peek(self, size: int, pieces: int = 128) -> Sequence[bytes]:
        vectors = (Vector * pieces)()
        needed = self._call.peek(self.pointer, size, None, vectors, pieces)
        shown = vectors[: min(needed, pieces)]
        return [ctypes.string_at(each.base, each.length) for each in shown if each.length]

    def fill(self, size: int, pieces: int, data: bytes) -> int | None:
        """Reserves space, writes `data` to it and commits that: None if there is no space."""
        vectors = (Vector * pieces)()
        got = self._call.reserve_space(self.pointer, size, vectors, pieces)
        if got <= 0:
            return None
        rest = data
        for each in vectors[:got]:
            part = rest[: each.length]
            ctypes.memmove(each.base, part, len(part))
            each.length, rest = len(part), rest[len(part) :]
        return int(self._call.commit_space(self.pointer, vectors, got))
