"""libevent's TLS (libevent_openssl), over another bufferevent or on a descriptor, and OpenSSL.

What libevent asks of OpenSSL goes through slots of libevent_openssl, as its system calls do, so
each handshake, read and write is told to the engine's wrapper, which writes the trace, and is then
done by OpenSSL. An SSL object belongs to libevent with CLOSE_ON_FREE and to the base without; who
frees it is seen, so it is freed once.
"""

from __future__ import annotations

import ctypes
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from model.errors import SimulatorError, WorldUnavailable
from model.kernel import Buffer
from model.subject import BEV_EVENT_EOF, BEV_EVENT_ERROR, Failure, NotMade
from model.tls import RETRY, SslState, TlsEngine, TlsOutcome, TlsResult, TlsSettings
from real.libevent import built, relocation
from real.libevent.bio import Descriptors
from real.libevent.bufferevent import LibeventBufferevent
from real.libevent.callbacks import current
from real.libevent.layers import Layer
from real.libevent.unbound import refuse

if TYPE_CHECKING:
    from real.libevent.library import Library
    from real.libevent.subject import LibeventBase

SONAME = "libevent_openssl-2.1.so.7"
PACKAGE = "libevent-openssl-2.1-7"
SSL_SONAME = "libssl.so.3"

_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_long
_PEM = 1  # SSL_FILETYPE_PEM
_VERIFY_PEER = 1
_OPTIONS = (1 << 14) | (1 << 17) | (1 << 30)  # no tickets, no compression, no renegotiation
_CACHE_MODE, _HOST_NAME, _GROUPS, _LEAST, _MOST = 44, 55, 92, 123, 124  # SSL_CTRL_*
_ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR
#: what an ERROR may tell; other numbers are of an end without close_notify
_TOLD = {each.value: each for each in (TlsResult.SSL_ERROR_SSL, TlsResult.SSL_ERROR_ZERO_RETURN)}
_VERSIONS = {"1.2": 0x0303, "1.3": 0x0304}

_SSL: dict[str, tuple[Any, ...]] = {
    "TLS_method": (_P,),
    "SSL_CTX_new": (_P, _P),
    "SSL_CTX_ctrl": (_L, _P, _I, _L, ctypes.c_char_p),
    "SSL_CTX_set_options": (ctypes.c_uint64, _P, ctypes.c_uint64),
    "SSL_CTX_set_cipher_list": (_I, _P, ctypes.c_char_p),
    "SSL_CTX_set_num_tickets": (_I, _P, ctypes.c_size_t),
    "SSL_CTX_use_certificate_file": (_I, _P, ctypes.c_char_p, _I),
    "SSL_CTX_use_PrivateKey_file": (_I, _P, ctypes.c_char_p, _I),
    "SSL_CTX_load_verify_locations": (_I, _P, ctypes.c_char_p, ctypes.c_char_p),
    "SSL_CTX_set_verify": (None, _P, _I, _P),
    "SSL_new": (_P, _P),
    "SSL_ctrl": (_L, _P, _I, _L, ctypes.c_char_p),
    "SSL_set_accept_state": (None, _P),
    "SSL_set_connect_state": (None, _P),
    "SSL_get_error": (_I, _P, _I),
    "SSL_shutdown": (_I, _P),
    "SSL_pending": (_I, _P),
    "SSL_get_fd": (_I, _P),
    "SSL_do_handshake": (_I, _P),
    "SSL_read": (_I, _P, _P, _I),
    "SSL_write": (_I, _P, _P, _I),
    "SSL_free": (None, _P),
}
_LIBEVENT: dict[str, tuple[Any, ...]] = {
    "bufferevent_openssl_filter_new": (_P, _P, _P, _P, _I, _I),
    "bufferevent_openssl_socket_new": (_P, _P, _I, _P, _I, _I),
    "bufferevent_openssl_set_allow_dirty_shutdown": (None, _P, _I),
    "bufferevent_get_openssl_error": (ctypes.c_ulong, _P),
}
_WATCHED = ("SSL_do_handshake", "SSL_read", "SSL_write", "SSL_free")


class OpenSsl:
    """libevent_openssl and the libssl that it uses, with the calls between them seen."""

    def __init__(self, library: Library) -> None:
        self._shared = built.load(SONAME, PACKAGE)
        try:
            libssl = ctypes.PyDLL(SSL_SONAME)
        except OSError as error:
            raise WorldUnavailable(
                f"{SSL_SONAME} cannot be loaded ({error}): install it (Debian: libssl3)"
            ) from None
        for table, shared in ((_SSL, libssl), (_LIBEVENT, self._shared)):
            for name, (result, *arguments) in table.items():
                function = getattr(shared, name)
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
        self._kept: list[Any] = []
        addresses = {name: self._stand_in(name) for name in _WATCHED}
        all_addresses = {**library.gate.addresses, **library.inside.addresses, **addresses}
        built.count(self._shared, relocation.redirect(self._shared, all_addresses))
        self._library = library

    @cached_property
    def descriptors(self) -> Descriptors:
        """libcrypto's calls, redirected when the first TLS on a descriptor is made."""
        return Descriptors(self._library)

    def watch_descriptors(self) -> None:
        """From now on libcrypto's calls are looked at."""
        assert isinstance(self.descriptors, Descriptors)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libssl has no prototype for {name} here")

    def _stand_in(self, name: str) -> int:
        """A function for libevent_openssl's slot: to the engine of that SSL."""
        result, *arguments = _SSL[name]

        def call(ssl: int, *args: int) -> int | None:
            engine = current[-1].engines.get(ssl) if current else None
            try:
                if engine is None:
                    raise SimulatorError(f"libevent called {name} on an SSL that is not known")
                answer: int | None = getattr(engine, f"on_{name}")(*args)
                return answer
            except BaseException as error:  # it must not pass through C
                if current:
                    current[-1].failed(error)
                return None if result is None else -1

        function = ctypes.PYFUNCTYPE(result, *arguments)(call)
        self._kept.append(function)
        address = ctypes.cast(function, ctypes.c_void_p).value
        assert address is not None
        return address


@lru_cache(maxsize=1)
def openssl(library: Library) -> OpenSsl:
    """Loaded when the first TLS bufferevent is made. Raises `WorldUnavailable`."""
    return OpenSsl(library)


@lru_cache(maxsize=16)
def _context(ssl: OpenSsl, settings: TlsSettings) -> int:
    """An SSL_CTX with everything pinned that decides about the lengths of records."""
    context = ssl.SSL_CTX_new(ssl.TLS_method())
    version = _VERSIONS[settings.version]
    certificate = settings.certificate.encode()
    done = [
        context,
        ssl.SSL_CTX_ctrl(context, _LEAST, version, None),
        ssl.SSL_CTX_ctrl(context, _MOST, version, None),
        ssl.SSL_CTX_set_cipher_list(context, settings.cipher.encode()),
        ssl.SSL_CTX_ctrl(context, _GROUPS, 0, settings.curve.encode()),
    ]
    ssl.SSL_CTX_set_options(context, _OPTIONS)
    ssl.SSL_CTX_ctrl(context, _CACHE_MODE, 0, None)
    if settings.server:
        done.append(ssl.SSL_CTX_set_num_tickets(context, 0))
        done.append(ssl.SSL_CTX_use_certificate_file(context, certificate, _PEM))
        done.append(ssl.SSL_CTX_use_PrivateKey_file(context, certificate, _PEM))
    else:
        done.append(ssl.SSL_CTX_load_verify_locations(context, certificate, None))
        ssl.SSL_CTX_set_verify(context, _VERIFY_PEER, None)
    if not all(done):
        raise SimulatorError(f"OpenSSL refuses a setting of {settings}")
    return int(context)


class NativeEngine:
    """`model.tls.TlsEngine` over an SSL object of OpenSSL's, whose transport is libevent's, or a
    descriptor (`direct`)."""

    def __init__(self, base: LibeventBase, settings: TlsSettings) -> None:
        self.ssl = ssl = openssl(base.library)
        self.pointer: int | None = ssl.SSL_new(_context(ssl, settings))
        if not self.pointer:
            raise SimulatorError("OpenSSL has no memory for an SSL")
        if settings.server:
            ssl.SSL_set_accept_state(self.pointer)
        else:
            ssl.SSL_set_connect_state(self.pointer)
            ssl.SSL_ctrl(self.pointer, _HOST_NAME, 0, settings.name.encode())
        self.told: TlsEngine = self  # whom libevent's calls are told to: its wrapper
        self.opened = self.direct = False
        self.room: int | None = None  # the transport is libevent's
        self._answer = -1  # of the last call
        self._memory = 0  # what it reads into, or writes from

    # libevent's calls.

    def on_SSL_do_handshake(self) -> int:
        self.told.do_handshake()
        return self._answer

    def on_SSL_read(self, memory: int, size: int) -> int:
        self._memory = memory
        self.told.read(size)
        return self._answer

    def on_SSL_write(self, memory: int, size: int) -> int:
        self._memory = memory
        self.told.write((ctypes.c_char * size).from_address(memory))  # type: ignore[arg-type]  # an array of c_char is bytes-like
        return self._answer

    def on_SSL_free(self) -> None:
        self.free()

    # TlsEngine.

    def do_handshake(self) -> TlsOutcome:
        with self._transport():
            self._answer = self.ssl.SSL_do_handshake(self.pointer)
        self.opened |= self._answer == 1
        return None if self._answer == 1 else self._failed()

    def read(self, size: int) -> bytes | TlsResult:
        with self._transport():
            self._answer = self.ssl.SSL_read(self.pointer, self._memory, size)
        if self._answer > 0:
            self.opened = True
            return ctypes.string_at(self._memory, self._answer)
        return self._failed()

    def write(self, data: Buffer) -> int | TlsResult:
        with self._transport():
            self._answer = self.ssl.SSL_write(self.pointer, self._memory, len(data))
        if self._answer > 0:
            self.opened = True
            return self._answer
        return self._failed()

    def shutdown(self) -> TlsOutcome:
        with self._transport():
            self._answer = self.ssl.SSL_shutdown(self.pointer)
        return None if self._answer >= 0 else self._failed()

    def _transport(self) -> AbstractContextManager[None]:
        """Inside, what OpenSSL asks of the descriptor, if it has one, is asked of the run's."""
        if not self.direct:
            return nullcontext()
        return self.ssl.descriptors.of(self.ssl.SSL_get_fd(self.pointer))

    def _failed(self) -> TlsResult:
        number = self.ssl.SSL_get_error(self.pointer, self._answer)
        known = {each.value for each in TlsResult}
        return TlsResult(number) if number in known else TlsResult.SSL_ERROR_EOF

    def pending(self) -> int:
        return int(self.ssl.SSL_pending(self.pointer))

    def free(self) -> None:
        """SSL_free, once."""
        pointer, self.pointer = self.pointer, None
        if pointer is not None:
            self.ssl.SSL_free(pointer)

    # What the transport of ours would ask; libevent has its own.

    def wanted(self) -> int:
        return 0

    def feed(self, data: Buffer) -> None:
        refuse("an engine's transport")

    def feed_eof(self) -> None:
        refuse("an engine's transport")

    def take(self) -> bytes:
        refuse("an engine's transport")

    def errors(self) -> tuple[str, ...]:
        return ()

    def clear(self) -> None:
        refuse("an engine's transport")


class TlsCalls(LibeventBufferevent):
    """What every TLS bufferevent has."""

    native: NativeEngine
    engine: TlsEngine
    ssl: OpenSsl

    def _speak(self, native: NativeEngine, engine: TlsEngine) -> None:
        self.native = native
        self.engine = native.told = engine
        self.ssl = native.ssl

    def failure(self, what: int, error: Failure | None) -> Failure | None:
        """What an ERROR tells: OpenSSL's, if it has one (bufferevent_get_openssl_error)."""
        if not what & BEV_EVENT_ERROR:
            return None
        first = 0
        while number := self.ssl.bufferevent_get_openssl_error(self.pointer):
            first = number  # the newest comes first
        if not first:
            return error
        return _TOLD.get(first, TlsResult.SSL_ERROR_EOF)

    def tls_shutdown(self) -> int:
        """SSL_shutdown, of the application; -1 before the handshake is done."""
        if not self.native.opened:
            return -1
        outcome = self.engine.shutdown()
        self.base.raise_failure()
        return 0 if outcome is None or outcome in RETRY else -1

    def set_allow_dirty_shutdown(self, allow: int) -> int:
        self.ssl.bufferevent_openssl_set_allow_dirty_shutdown(self.pointer, allow)
        return 0

    def set_batch_write(self, batch: int) -> int:
        refuse("small chains that share a record (a setting of later versions)")


class LibeventTls(Layer, TlsCalls):
    """bufferevent_openssl_filter_new."""

    def __init__(
        self,
        base: LibeventBase,
        underlying: Any,
        native: NativeEngine,
        engine: TlsEngine,
        state: SslState,
        options: int,
    ) -> None:
        self._speak(native, engine)
        lower = underlying.input.owner
        lower.wrapper, base.building = underlying, lower
        pointer = self.ssl.bufferevent_openssl_filter_new(
            base.pointer, lower.pointer, native.pointer, state.value, options
        )
        base.building = None
        base.raise_failure()
        if not pointer:
            lower.wrapper = None
            raise NotMade
        super().__init__(base, underlying, options, pointer)

    def failure(self, what: int, error: Failure | None) -> Failure | None:
        """The same; of an end below, which alone has no errno, that it was one."""
        told = super().failure(what, error)
        ended = self.lower.what & _ENDS == BEV_EVENT_EOF and told is error
        return TlsResult.SSL_ERROR_EOF if ended and what & BEV_EVENT_ERROR else told


class LibeventTlsSocket(TlsCalls):
    """bufferevent_openssl_socket_new."""

    def __init__(
        self,
        base: LibeventBase,
        fd: int | None,
        native: NativeEngine,
        engine: TlsEngine,
        state: SslState,
        options: int,
    ) -> None:
        self._speak(native, engine)
        native.direct = True
        self.ssl.watch_descriptors()
        pointer = self.ssl.bufferevent_openssl_socket_new(
            base.pointer, -1 if fd is None else fd, native.pointer, state.value, options
        )
        base.raise_failure()
        if not pointer:
            raise NotMade
        super().__init__(base, pointer)
