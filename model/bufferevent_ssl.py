"""TLS on top of another bufferevent (libevent: bufferevent_openssl.c, bufferevent_ssl.c).

The bufferevent below carries records; the engine (`model.tls`) turns them into plaintext and back.
What the application writes becomes records in the output below, up to that one's high watermark; a
write callback says "handed down", not "sent". Records are taken from below one at a time, so what
is not decrypted waits below. CONNECTED comes when the handshake is done, on both sides of it.

What libevent leaves to luck, or has had wrong, is one rule here:

* All work is done from the loop, by one event that runs at most once a pass and does a bounded
  amount; callbacks of the one below, and calls of the application, only start it. So callbacks
  never nest, and a fast sender does not keep the loop for itself.
* One read of an engine may find more plaintext in its record than the high watermark has room for:
  all of it is taken, so the input overruns its watermark by less than a record.
* The end of reading (close_notify, the end of the transport, an error) is told when what came
  before it was told, and not before reading runs. It disables READ and leaves WRITE alone.
* A failed handshake is told once, as ERROR without direction, like a failed connect; from then on
  nothing moves. Before the handshake is done nothing of the application's settings matters to it,
  but the timeouts.
* Of a write that blocked, exactly the same bytes are tried again, in however many chains.

`bufferevent_ssl_socket_new` gives TLS over a private socket bufferevent, which it owns, on either
kernel (libevent drives the descriptor itself, but over completion it could not).
"""

from __future__ import annotations

from model.bufferevent import SUSPEND_FILT_READ
from model.event_base import Event, EventBase
from model.layer import Callbacks, Underlying
from model.ssl_reading import SslReading
from model.ssl_writing import READS_A_PASS
from model.subject import (
    BEV_EVENT_CONNECTED,
    BEV_EVENT_EOF,
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_TIMEOUT,
    BEV_EVENT_WRITING,
    BEV_OPT_CLOSE_ON_FREE,
    EV_READ,
    EV_WRITE,
    Failure,
)
from model.subject import Bufferevent as AnyBufferevent
from model.tls import SslState, TlsEngine, TlsResult
from model.tls_transport import TlsTransport

_ENDS = BEV_EVENT_EOF | BEV_EVENT_ERROR
_DIRECTIONS = BEV_EVENT_READING | BEV_EVENT_WRITING
_WANT_READ, _WANT_WRITE = TlsResult.SSL_ERROR_WANT_READ, TlsResult.SSL_ERROR_WANT_WRITE


class SslBufferevent(SslReading):
    """TLS over `underlying`, as the side that `engine` was made for."""

    __slots__ = (
        "connecting",
        "first_state",
        "owns",
        "state",
        "underlying",
        "work",
    )

    def __init__(
        self,
        base: EventBase,
        underlying: Underlying,
        engine: TlsEngine,
        state: SslState,
        options: int,
        *,
        owns: bool = False,
    ) -> None:
        super().__init__(base, TlsTransport(engine, underlying), options)
        self.underlying = underlying
        self.owns = owns  # the one below is private: it is freed with us, whatever the options
        self.first_state = state
        self.work = _Work(self)
        underlying.incref()
        underlying.setcb(*self._callbacks())
        underlying.output.add_cb(self._lower_output_changed)
        self._begin()
        underlying.enable(EV_READ | EV_WRITE)

    def _begin(self) -> None:
        """The state of a new connection."""
        self.state = self.first_state
        self.connecting = False  # the one below is
        self.read_blocked_on_write = self.write_blocked_on_read = False
        self.last_write = None
        self.lower_end = None
        self.read_over = False
        self.end = None
        self._wish_to_read()
        if self.state is not SslState.ACCEPTING or self.transport.waiting:
            self._schedule()

    def _callbacks(self) -> Callbacks:
        return self._lower_read, self._lower_write, self._lower_event

    # The API of a layer, and of TLS.

    def get_underlying(self) -> Underlying:
        return self.underlying

    def getfd(self) -> int | None:
        return self.underlying.getfd()

    def setfd(self, fd: int | None) -> int:
        """BEV_CTRL_SET_FD: a new connection, and a new handshake for it (SSL_clear)."""
        self.transport.restart()
        result = self.underlying.setfd(fd)
        self._begin()
        return result

    def socket_connect(self, port: int) -> int:
        """bufferevent_socket_connect: CONNECTED comes when the handshake is done."""
        if self.state is SslState.FAILED:
            self.transport.restart()
            self._begin()
        self.connecting = True
        result = self.underlying.socket_connect(port)
        self.connecting = result == 0
        self.error = self.underlying.socket_error()
        return result

    def tls_shutdown(self) -> int:
        """SSL_shutdown(3), of the application: close_notify behind what was handed down so far."""
        if self.state is not SslState.OPEN:
            return -1
        before = -1
        while self._may_write() and self.output.length != before:
            before = self.output.length
            self._consider_writing()
        return -1 if self.transport.shutdown() is not None else 0

    def get_openssl_error(self) -> tuple[str, ...]:
        """bufferevent_get_openssl_error, all of them: the first three reasons of failures."""
        return self.transport.engine.errors()

    @property
    def handshaking(self) -> bool:
        return self.state is SslState.CONNECTING or self.state is SslState.ACCEPTING

    # The callbacks of the one below.

    def _lower_read(self, _: AnyBufferevent) -> None:
        """be_ssl_readcb."""
        self._schedule()

    def _lower_write(self, _: AnyBufferevent) -> None:
        """be_ssl_writecb."""
        self._schedule()

    def _lower_output_changed(self, output: object, change: object) -> None:
        """What is below may have room again."""
        waits = self.read_blocked_on_write or self.output.length > 0 or self.handshaking
        if waits and self.transport.room != 0:
            self._schedule()

    def _lower_event(self, _: AnyBufferevent, what: int) -> None:
        """be_ssl_eventcb."""
        error = self.underlying.socket_error()
        if what & BEV_EVENT_CONNECTED:
            self.connecting = False
            if self.state is SslState.OPEN:
                self.run_eventcb(BEV_EVENT_CONNECTED, None)  # no handshake will tell it
            self._schedule()
            return
        if what & BEV_EVENT_TIMEOUT:
            self.run_eventcb(what & (BEV_EVENT_TIMEOUT | _DIRECTIONS), None)
        if not what & _ENDS:
            return
        if self.connecting and not self.handshaking and not what & _DIRECTIONS:
            self._handshake_failed(error)  # the connect failed, and no handshake will tell it
            return
        if self.handshaking or what & BEV_EVENT_READING or not what & BEV_EVENT_WRITING:
            end = BEV_EVENT_ERROR if what & BEV_EVENT_ERROR else BEV_EVENT_EOF
            self.lower_end = (end, error)
            self.transport.ended = True
        if what & BEV_EVENT_WRITING and self.state is SslState.OPEN:
            self._fail_writing(error)
        self._schedule()

    # The work.

    def _schedule(self) -> None:
        if self.state is not SslState.FAILED and not self.work.stopped:
            self.base.activate_soon(self.work, EV_READ | EV_WRITE)

    def on_work(self) -> None:
        """Everything that can be done now, within the bounds of one pass."""
        self.refcnt += 1
        self.transport.hand_down()
        if self.handshaking:
            self._do_handshake()
        if self.state is SslState.OPEN:
            self._consider_reading()
            self._consider_writing()
        if not self.work.stopped:
            self._wish_to_read()
            if self._has_work():
                self._schedule()
        self.decref()

    def _has_work(self) -> bool:
        """Whether something is left that can be done without waiting."""
        if self.state is not SslState.OPEN:
            return self.handshaking and self.transport.waiting and self.transport.room != 0
        if self._write_comes_first():
            return self.transport.waiting
        return self._may_write() or self._may_read()

    def _wish_to_read(self) -> None:
        """The one below reads iff somebody wants its bytes."""
        if self.state is SslState.FAILED or (
            self.state is SslState.OPEN and not self._wants_bytes()
        ):
            self.underlying.suspend_read(SUSPEND_FILT_READ)
        else:
            self.underlying.unsuspend_read(SUSPEND_FILT_READ)

    def _wants_bytes(self) -> bool:
        if self.write_blocked_on_read and self.writes:
            return True
        return bool(self.reads and not self.read_over)

    # The handshake.

    def _do_handshake(self) -> None:
        """do_handshake."""
        result: TlsResult = _WANT_READ
        for _ in range(READS_A_PASS):
            if self.transport.waiting:
                self._restart_read_timer()
            self.transport.feed()
            outcome = self.transport.handshake()
            if outcome is None:
                self._opened()
                return
            result = outcome
            if result is not _WANT_READ or not self.transport.waiting:
                break
        if result not in (_WANT_READ, _WANT_WRITE):
            self._handshake_failed(result)

    def _handshake_failed(self, result: Failure | None) -> None:
        error = result
        if result is TlsResult.SSL_ERROR_EOF and self.lower_end and self.lower_end[1] is not None:
            error = self.lower_end[1]
        self.state = SslState.FAILED
        self.connecting = False
        self._stop_timers()
        self._wish_to_read()
        self.run_eventcb(BEV_EVENT_ERROR, error)

    def _opened(self) -> None:
        """set_open_callbacks, and CONNECTED."""
        self.state = SslState.OPEN
        self._wish_to_read()
        self._adjust_timeouts()
        self.run_eventcb(BEV_EVENT_CONNECTED, None)

    # The transport.

    def _start(self, mask: int) -> int:
        """be_ssl_enable."""
        if mask & EV_READ:
            self._restart_read_timer()
        if mask & EV_WRITE and self.state is SslState.OPEN:
            self._restart_write_timer()
        if self.state is SslState.OPEN:
            self._schedule()
        return 0

    def _stop(self, mask: int) -> int:
        """be_ssl_disable: before the handshake is done, only the timer stops."""
        self._stop_timers(mask)
        if self.state is SslState.OPEN:
            if mask & EV_READ and not self._write_comes_first():
                self.underlying.suspend_read(SUSPEND_FILT_READ)
            elif self.write_blocked_on_read:
                self._schedule()  # who wants bytes may be another now
        return 0

    def _read_timeout(self) -> None:
        """Bytes that came in the same pass come first: they may be what was waited for."""
        if self.work.result or self.transport.waiting:
            self.work.result = 0
            self.on_work()
            if self.work.result and not self.read_timer.added:
                self._restart_read_timer()  # a pass was not enough for them
            if self.read_timer.added or not self.reads or self.timeout_read_ns is None:
                return  # a callback may have taken the timeout away
        super()._read_timeout()

    def _write_timeout(self) -> None:
        """Room that came in the same pass comes first."""
        if self.work.result:
            self.work.run()
            if self.write_timer.added or not self.writes or not self.output.length:
                return
            if self.timeout_write_ns is None:
                return
        super()._write_timeout()

    def _restart_read_timer(self) -> None:
        if self.state is not SslState.FAILED and not self.read_over:
            super()._restart_read_timer()

    def _restart_write_timer(self) -> None:
        if self.state is SslState.OPEN:
            super()._restart_write_timer()

    def _output_changed(self, added: int, deleted: int) -> None:
        """be_ssl_outbuf_cb."""
        if added and self.state is SslState.OPEN and self.writes:
            self._start_write_timer()
            self._schedule()

    def _cancel_all(self) -> None:
        """From free on the one below is left alone, or freed."""
        self._stop_timers()
        self.work.stopped = True
        self.work.result = 0
        underlying = self.underlying
        underlying.output.remove_cb(self._lower_output_changed)
        if self.closes_on_free or self.owns:
            underlying.free()
            return
        if underlying.getcb() == self._callbacks():
            underlying.setcb(None, None, None)
        underlying.unsuspend_read(SUSPEND_FILT_READ)

    def _unlink(self) -> None:
        self._stop_timers()
        self.underlying.decref()


class _Work(Event):
    """What runs a TLS bufferevent from the loop, at most once a pass."""

    __slots__ = ("bev", "stopped")

    def __init__(self, bev: SslBufferevent) -> None:
        super().__init__(bev.base)
        self.bev = bev
        self.stopped = False  # its bufferevent was freed

    def fire(self, result: int) -> None:
        self.bev.on_work()


def ssl_socket_new(
    base: EventBase, fd: int | None, engine: TlsEngine, state: SslState, options: int
) -> SslBufferevent:
    """bufferevent_openssl_socket_new: TLS over a socket bufferevent of its own."""
    lower = base.poller.bufferevent(fd, options & BEV_OPT_CLOSE_ON_FREE)
    return SslBufferevent(base, lower, engine, state, options, owns=True)
