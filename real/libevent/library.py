"""The shared library: loaded once, its prototypes stated, its system calls sent through the gate."""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Any

from model.errors import WorldUnavailable
from real.libevent import relocation
from real.libevent.memory import FREE, MALLOC, REALLOC, Memory
from real.libevent.system_calls import Gate

SONAMES = ("libevent_core-2.1.so.7",)

_P, _I, _Z, _S = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_short
DATA_CB = ctypes.PYFUNCTYPE(None, _P, _P)
EVENT_CB = ctypes.PYFUNCTYPE(None, _P, _S, _P)
ACCEPT_CB = ctypes.PYFUNCTYPE(None, _P, _I, _P, _I, _P)
ONCE_CB = ctypes.PYFUNCTYPE(None, _I, _S, _P)
LOG_CB = ctypes.PYFUNCTYPE(None, _I, ctypes.c_char_p)
FATAL_CB = ctypes.PYFUNCTYPE(None, _I)


LOCK_ALLOC = ctypes.PYFUNCTYPE(_P, ctypes.c_uint)
LOCK_FREE = ctypes.PYFUNCTYPE(None, _P, ctypes.c_uint)
LOCK = ctypes.PYFUNCTYPE(_I, ctypes.c_uint, _P)


class LockCallbacks(ctypes.Structure):
    """struct evthread_lock_callbacks (event2/thread.h)."""

    _fields_ = (
        ("api_version", _I),
        ("supported", ctypes.c_uint),
        ("alloc", LOCK_ALLOC),
        ("free", LOCK_FREE),
        ("lock", LOCK),
        ("unlock", LOCK),
    )


class Timeval(ctypes.Structure):
    """struct timeval."""

    _fields_ = (("seconds", ctypes.c_long), ("microseconds", ctypes.c_long))


def timeval(duration_ns: int) -> Timeval:
    """Rounded up to the microsecond: a timer never fires early."""
    return Timeval(*divmod(-(-duration_ns // 1_000), 1_000_000))


#: event2/*.h: name -> result, arguments
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "event_get_version": (ctypes.c_char_p,),
    "event_config_new": (_P,),
    "event_config_set_flag": (_I, _P, _I),
    "event_config_free": (None, _P),
    "event_base_new_with_config": (_P, _P),
    "event_set_mem_functions": (None, MALLOC, REALLOC, FREE),
    "evthread_set_lock_callbacks": (_I, ctypes.POINTER(LockCallbacks)),
    "event_base_free": (None, _P),
    "event_base_loop": (_I, _P, _I),
    "event_base_loopbreak": (_I, _P),
    "event_base_once": (_I, _P, _I, _S, ONCE_CB, _P, ctypes.POINTER(Timeval)),
    "event_set_log_callback": (None, LOG_CB),
    "event_set_fatal_callback": (None, FATAL_CB),
    "evutil_closesocket": (_I, _I),
    "bufferevent_socket_new": (_P, _P, _I, _I),
    "bufferevent_free": (None, _P),
    "bufferevent_setcb": (None, _P, DATA_CB, DATA_CB, EVENT_CB, _P),
    "bufferevent_enable": (_I, _P, _S),
    "bufferevent_disable": (_I, _P, _S),
    "bufferevent_get_enabled": (_S, _P),
    "bufferevent_write": (_I, _P, ctypes.c_char_p, _Z),
    "bufferevent_read": (_Z, _P, _P, _Z),
    "bufferevent_write_buffer": (_I, _P, _P),
    "bufferevent_get_input": (_P, _P),
    "bufferevent_get_output": (_P, _P),
    "bufferevent_setwatermark": (None, _P, _S, _Z, _Z),
    "bufferevent_set_timeouts": (
        _I,
        _P,
        ctypes.POINTER(Timeval),
        ctypes.POINTER(Timeval),
    ),
    "bufferevent_trigger": (None, _P, _S, _I),
    "bufferevent_trigger_event": (None, _P, _S, _I),
    "bufferevent_socket_connect": (_I, _P, ctypes.c_char_p, _I),
    "bufferevent_getfd": (_I, _P),
    "bufferevent_setfd": (_I, _P, _I),
    "bufferevent_flush": (_I, _P, _S, _I),
    "evbuffer_get_length": (_Z, _P),
    "evconnlistener_new_bind": (_P, _P, ACCEPT_CB, _P, ctypes.c_uint, _I, ctypes.c_char_p, _I),
    "evconnlistener_enable": (_I, _P),
    "evconnlistener_disable": (_I, _P),
    "evconnlistener_free": (None, _P),
    "evconnlistener_get_fd": (_I, _P),
}


class Locks:
    """What libevent gets for locks: recursive ones that only one thread ever takes.

    THREADSAFE bufferevents need them. `held` counts what is taken and not given back; each lock has
    a number, so that one that is used after its end is seen.
    """

    def __init__(self) -> None:
        self.number = 0
        self.alive: dict[int, int] = {}  # lock -> how often it is held
        self.misuse: list[str] = []
        self._kept = (
            LOCK_ALLOC(self._alloc),
            LOCK_FREE(self._free),
            LOCK(self._lock),
            LOCK(self._unlock),
        )
        self.callbacks = LockCallbacks(1, 1, *self._kept)  # EVTHREAD_LOCKTYPE_RECURSIVE

    def _alloc(self, kind: int) -> int:
        self.number += 1
        self.alive[self.number] = 0
        return self.number

    def _free(self, lock: int, kind: int) -> None:
        if self.alive.pop(lock, None) != 0:
            self.misuse.append(f"lock {lock} was freed while it was held, or twice")

    def _lock(self, mode: int, lock: int) -> int:
        if lock not in self.alive:
            self.misuse.append(f"lock {lock} was taken after it was freed")
        else:
            self.alive[lock] += 1
        return 0

    def _unlock(self, mode: int, lock: int) -> int:
        if self.alive.get(lock, 0) < 1:
            self.misuse.append(f"lock {lock} was given back by nobody who held it")
        else:
            self.alive[lock] -= 1
        return 0


class Library:
    """libevent's functions as attributes without their prefix's meaning changed: `lib.event_base_new`."""

    def __init__(self) -> None:
        relocation.check_platform()
        try:
            self.core = ctypes.PyDLL(SONAMES[0])
        except OSError as error:
            raise WorldUnavailable(
                f"{SONAMES[0]} cannot be loaded ({error}): install libevent 2.1 (Debian: libevent-2.1-7)"
            ) from None
        for name, (result, *arguments) in _PROTOTYPES.items():
            function = getattr(self.core, name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)
        self.memory = Memory()
        self.event_set_mem_functions(*self.memory.functions)  # before it allocates anything
        self.locks = Locks()
        self.evthread_set_lock_callbacks(ctypes.byref(self.locks.callbacks))
        self.gate = Gate()
        missing = _reaching_out(self.core) - set(self.gate.addresses)
        if missing:
            raise WorldUnavailable(
                f"this libevent calls {', '.join(sorted(missing))}, which nothing here answers"
            )
        self.redirected = relocation.redirect(self.core, self.gate.addresses)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libevent has no prototype for {name} here")

    @property
    def version(self) -> str:
        """`2.1.12-stable`."""
        version: bytes = self.event_get_version()
        return version.decode()


#: of libc's functions, those that reach the kernel
_KERNEL_CALLS = frozenset(
    {
        *("accept", "accept4", "bind", "clock_gettime", "close", "connect", "epoll_create"),
        *("epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait2", "eventfd", "fcntl"),
        *("getsockname", "getsockopt", "gettimeofday", "ioctl", "listen", "lseek", "mmap", "munmap"),
        *("nanosleep", "open", "pipe", "pipe2", "poll", "read", "readv", "recv", "recvmsg", "select"),
        *("send", "sendfile", "sendmsg", "setsockopt", "sigaction", "socket", "socketpair", "time"),
        *("timerfd_create", "timerfd_settime", "write", "writev", "getaddrinfo", "getifaddrs"),
    }
)


def _reaching_out(core: ctypes.CDLL) -> set[str]:
    return _KERNEL_CALLS & set(relocation.imports(core))


@lru_cache(maxsize=1)
def load() -> Library:
    """The library, loaded and redirected once in a process. Raises `WorldUnavailable`."""
    return Library()
