"""The shared library: loaded once, its prototypes stated, its system calls sent to the gate."""

from __future__ import annotations

import ctypes
import subprocess
from functools import cached_property
from typing import Any

from model.errors import SimulatorError
from real.libevent import built, relocation
from real.libevent.layer_prototypes import LAYERS, RATES
from real.libevent.memory import FREE, MALLOC, REALLOC, Memory
from real.libevent.system_calls import PROTOTYPES, PURE, Gate, set_errno

SONAME = "libevent_core-2.1.so.7"
PACKAGE = "libevent-core-2.1-7"
PTHREADS_SONAME = "libevent_pthreads-2.1.so.7"
PTHREADS_PACKAGE = "libevent-pthreads-2.1-7"

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
    "event_get_version_number": (ctypes.c_uint32,),
    "event_enable_debug_mode": (None,),
    "event_enable_debug_logging": (None, ctypes.c_uint32),
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
    "bufferevent_lock": (None, _P),
    "bufferevent_unlock": (None, _P),
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
    "bufferevent_priority_set": (_I, _P, _I),
    "bufferevent_set_max_single_read": (_I, _P, _Z),
    "bufferevent_set_max_single_write": (_I, _P, _Z),
    "event_base_priority_init": (_I, _P, _I),
    "event_base_loopexit": (_I, _P, ctypes.POINTER(Timeval)),
    "event_base_loopcontinue": (_I, _P),
    "evbuffer_drain": (_I, _P, _Z),
    "evconnlistener_set_cb": (None, _P, ACCEPT_CB, _P),
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
    """libevent's functions as attributes: `library.event_base_free`."""

    def __init__(self, debug: bool = False, pthreads: bool = False) -> None:
        relocation.check_platform()
        self.debug = debug
        self.pthreads = pthreads
        self.core = built.load(SONAME, PACKAGE, ctypes.CDLL if pthreads else ctypes.PyDLL)
        for name, (result, *arguments) in {**_PROTOTYPES, **LAYERS, **RATES}.items():
            function = getattr(self.core, name, None)
            if function is None:
                raise built.unfit(SONAME, f"has no {name}", PACKAGE)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)
        self.memory = Memory(set_errno)
        self.event_set_mem_functions(*self.memory.functions)  # before it allocates anything
        self.locks = Locks()
        if pthreads:
            use_pthreads()
        else:
            self.evthread_set_lock_callbacks(ctypes.byref(self.locks.callbacks))
        self.gate = Gate(sorted(_reaching_out(self.core)))
        from real.libevent.inside import Inside

        self.inside = Inside(self.core, released=pthreads)
        addresses = {**self.gate.addresses, **self.inside.addresses}
        built.count(self.core, relocation.redirect(self.core, addresses))
        if debug:
            self.event_enable_debug_mode()  # before it makes any event

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libevent has no prototype for {name} here")

    @cached_property
    def version(self) -> str:
        """`2.1.12-stable (0x02010c00, libevent-core-2.1-7 2.1.12-stable-8)`: what the library says
        of itself in text and as a number, and its package, where dpkg knows it, or what another
        one was built from (`real.libevent.built`)."""
        text: bytes = self.event_get_version()
        details = [f"{self.event_get_version_number():#010x}", built.words() or _package()]
        details += ["debug mode"] if self.debug else []
        details += ["pthreads"] if self.pthreads else []
        return f"{text.decode()} ({', '.join(filter(None, details))})"


def use_pthreads() -> None:
    """evthread_use_pthreads: recursive mutexes, conditions and thread numbers of the C library.
    Raises `WorldUnavailable`."""
    shared = built.load(PTHREADS_SONAME, PTHREADS_PACKAGE)
    function = getattr(shared, "evthread_use_pthreads", None)
    if function is None:
        raise built.unfit(PTHREADS_SONAME, "has no evthread_use_pthreads", PTHREADS_PACKAGE)
    function.restype, function.argtypes = _I, ()
    if function():
        raise built.unfit(PTHREADS_SONAME, "refuses to set its locks", PTHREADS_PACKAGE)


def _package() -> str:
    """The Debian package that the library is from, with its version; empty elsewhere."""
    command = ["dpkg-query", "-W", "-f", "${Package} ${Version}", PACKAGE]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _reaching_out(core: ctypes.CDLL) -> set[str]:
    """What it calls outside of itself that the gate does not answer and that is not pure."""
    own = {
        name for name in relocation.imports(core) if name.startswith("_") or _exports(core, name)
    }
    return set(relocation.imports(core)) - own - PURE - set(PROTOTYPES)


def _exports(core: ctypes.CDLL, name: str) -> bool:
    """Whether a name is the library's own (it calls its own functions through slots too)."""
    return name.startswith(("ev", "EV", "buffer", "nil_"))


_loaded: list[Library] = []


def load(debug: bool = False, pthreads: bool = False) -> Library:
    """The library, loaded and redirected once in a process. Raises `WorldUnavailable`.

    `debug` turns on its debug mode, `pthreads` has it take its locks from libevent_pthreads: both
    hold for the process (event_enable_debug_mode, evthread_use_pthreads).
    """
    if not _loaded:
        _loaded.append(Library(debug, pthreads))
    if pthreads != _loaded[0].pthreads:
        raise SimulatorError("libevent's locks are chosen with the first use in a process")
    if debug and not _loaded[0].debug:
        raise SimulatorError("libevent's debug mode begins with the first use in a process")
    return _loaded[0]
