"""The descriptor of TLS on a socket of its own: OpenSSL reads and writes it by itself.

libevent gives OpenSSL a BIO of the descriptor (BIO_new_socket), and libcrypto then calls read(2)
and write(2). Those calls go through slots of libcrypto, which the whole process shares with the
interpreter's ssl and hashlib. So each is looked at: one of the descriptor whose SSL is just being
asked for something goes to the kernel of the run, as libevent's own do; any other goes where it
went before. What a BIO never asks of a stream's descriptor stops the run if it is asked of ours.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from model.errors import SimulatorError, WorldUnavailable
from real.libevent import relocation
from real.libevent.callbacks import current
from real.libevent.system_calls import clear_errno, set_errno

if TYPE_CHECKING:
    from real.libevent.library import Library

CRYPTO_SONAME = "libcrypto.so.3"

_EINVAL = 22
_I, _P, _Z, _L = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_ssize_t
_PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "read": (_L, _I, _P, _Z),
    "write": (_L, _I, _P, _Z),
    "recvfrom": (_L, _I, _P, _Z, _I, _P, _P),
    "sendto": (_L, _I, _P, _Z, _I, _P, ctypes.c_uint),
    "recvmsg": (_L, _I, _P, _I),
    "sendmsg": (_L, _I, _P, _I),
    "shutdown": (_I, _I, _I),
    "close": (_I, _I),
}


class Descriptors:
    """libcrypto's calls, and the descriptor whose calls are ours just now."""

    def __init__(self, library: Library) -> None:
        self._gate = library.gate
        self._fd = -1  # whose SSL is being asked for something
        self._kept: list[Any] = []
        try:
            crypto = ctypes.PyDLL(CRYPTO_SONAME)
        except OSError as error:
            raise WorldUnavailable(
                f"{CRYPTO_SONAME} cannot be loaded ({error}): install it (Debian: libssl3)"
            ) from None
        libc = ctypes.CDLL(None)
        addresses = {}
        for name, (result, *arguments) in _PROTOTYPES.items():
            address = ctypes.cast(getattr(libc, name), _P).value or 0
            own = ctypes.CFUNCTYPE(result, *arguments, use_errno=True)(address)
            function = ctypes.CFUNCTYPE(result, *arguments)(self._stand_in(name, own))
            self._kept += [own, function]
            addresses[name] = ctypes.cast(function, _P).value or 0
        relocation.redirect(crypto, addresses)

    def _stand_in(self, name: str, own: Callable[..., int]) -> Callable[..., int]:
        answer = self._gate.functions.get(name) if name in ("read", "write") else None

        def call(fd: int, *args: Any) -> int:
            if fd != self._fd:
                result = own(fd, *args)
                return set_errno(ctypes.get_errno()) if result < 0 else result
            if answer is not None:
                result = answer(fd, *args)
                if result >= 0:
                    clear_errno()  # bss_sock.c: an end with EAGAIN in errno is none
                return result
            if current:
                error = SimulatorError(f"OpenSSL called {name} on the descriptor {fd}")
                current[-1].failed(error)
            return set_errno(_EINVAL)

        return call

    @contextmanager
    def of(self, fd: int) -> Iterator[None]:
        """Inside, calls on `fd` go to the kernel of the run; it may be entered again."""
        before, self._fd = self._fd, fd
        try:
            yield
        finally:
            self._fd = before
