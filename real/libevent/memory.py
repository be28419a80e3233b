"""libevent's memory, in our hands (event2/event.h: event_set_mem_functions).

Every block is known by its address. New memory is filled with one byte and freed memory with
another, and a freed block is kept for a while before the C library gets it back: whoever reads it
finds nonsense, and whoever writes to it is seen when it is let go. A block that is freed twice, or
was never given, is noted and not passed on.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Callable

from model.errors import SimulatorError

FRESH, FREED = 0xA5, 0xDB
_ENOMEM = 12
QUARANTINE = 256  # blocks that are kept after they were freed

MALLOC = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)
REALLOC = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
FREE = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)


class Misuse(SimulatorError):
    """libevent used memory or a lock that was not its own."""


def complain(misuse: list[str]) -> None:
    """Raises `Misuse` if there is any. (Records name this line.)"""
    if misuse:
        raise Misuse("; ".join(misuse[:3]))


class Memory:
    """The allocator that libevent is given, for the life of the process.

    `fails` is asked at each allocation of a run whether it is to fail.
    """

    def __init__(self, set_errno: Callable[[int], int]) -> None:
        self._set_errno = set_errno
        libc = ctypes.PyDLL(None)
        self._malloc, self._free = libc.malloc, libc.free
        self._malloc.restype, self._malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
        self._free.restype, self._free.argtypes = None, (ctypes.c_void_p,)
        self.alive: dict[int, int] = {}  # address -> bytes
        self.misuse: list[str] = []
        self.fails: Callable[[], bool] | None = None
        self._quarantine: deque[tuple[int, int]] = deque()
        self._before: frozenset[int] = frozenset()
        self.functions = (MALLOC(self._give), REALLOC(self._move), FREE(self._take))

    def begin(self) -> None:
        """A run begins: what is alive now is none of its business."""
        self._before = frozenset(self.alive)
        self.misuse.clear()
        self.fails = None

    def leaked(self) -> list[int]:
        """Sizes in bytes of the blocks of this run that were never freed."""
        return [size for address, size in self.alive.items() if address not in self._before]

    def flush(self) -> None:
        """Looks at every freed block that is still kept, and lets it go."""
        while self._quarantine:
            self._let_go()

    def _give(self, size: int | None) -> int | None:
        if self.fails is not None and self.fails():
            self._set_errno(_ENOMEM)
            return None
        size = size or 1
        address: int | None = self._malloc(size)
        if address is not None:
            ctypes.memset(address, FRESH, size)
            self.alive[address] = size
        return address

    def _move(self, old: int | None, size: int | None) -> int | None:
        new = self._give(size)
        if new is not None and old is not None:
            if old in self.alive:
                ctypes.memmove(new, old, min(self.alive[old], size or 0))
            self._take(old)
        return new

    def _take(self, address: int | None) -> None:
        if address is None:
            return
        size = self.alive.pop(address, None)
        if size is None:
            again = any(address == kept for kept, _ in self._quarantine)
            self.misuse.append("a block was freed twice" if again else "a free of no block")
            return
        ctypes.memset(address, FREED, size)
        self._quarantine.append((address, size))
        if len(self._quarantine) > QUARANTINE:
            self._let_go()

    def _let_go(self) -> None:
        address, size = self._quarantine.popleft()
        if ctypes.string_at(address, size).count(FREED) != size:
            self.misuse.append(f"a block of {size} bytes was written to after it was freed")
        self._free(address)
