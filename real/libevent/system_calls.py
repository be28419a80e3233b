"""libevent's system calls, answered by a readiness kernel of ours and by a world's clock.

Each method of `SystemCalls` is one function of libc as libevent calls it: plain integers and
addresses in, an integer out, errno set where it is -1. Nothing else of the process is touched. A
call that is not in the table and would reach the machine (`REFUSED`) stops the run with its name.

The kernel port speaks of TCP on the loopback address. What libevent asks beyond it is answered
here: options that change nothing there are taken, and the internal pipe that libevent makes for
signals is made of descriptors on which nothing ever happens.

An exception must not pass through C. It is kept in `failure`, the call fails with EINTR, and the
loop is told to leave; `real.libevent.subject` raises it again where Python called C. exit(3) and
abort(3) do not come back: they say why on standard error and end the process, which is why foreign
subjects run in a process of their own (`harness.cage`).

The same table serves a real readiness kernel (world `epoll`): its calls are recorded by the same
wrappers, so the same properties judge the run, and the calls that the harness does not know are
found on both.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from model.errors import Errno, SimulatorError
from model.kernel import ReadinessKernel

CLOCK_START_NS = 1_000_000_000_000_000  # libevent takes a clock that says 0 for one not read yet
_EINTR, _EINVAL, _EAGAIN, _ENOTSUP, _EBADF = 4, 22, 11, 95, 9
_AF_INET, _SOCK_STREAM = 2, 1
_SOL_SOCKET, _SO_ERROR = 1, 4
_FIONREAD = 0x541B
_F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL = 1, 2, 3, 4
_O_NONBLOCK, _O_RDWR = 0o4000, 2
_PIPE_FIRST = 1_000  # descriptors of internal pipes, above those of any simulated kernel
_SOCKADDR = struct.Struct("=H2s4s8x")  # sockaddr_in: family, port and address in network order
_EVENT = struct.Struct("=Iq")  # struct epoll_event, packed
_LOOPBACK = bytes((127, 0, 0, 1))

FATAL_EXIT = 70  # of a process in which libevent ended itself

#: what libevent may have from the C library as it is: it reaches nothing outside the process
PURE = frozenset(
    {
        *("calloc", "fputc", "free", "freeaddrinfo", "freeifaddrs", "fwrite", "gai_strerror"),
        *("getenv", "getegid", "geteuid", "getgid", "getuid", "gmtime_r", "malloc", "memchr"),
        *("memcmp", "memcpy", "memmove", "memset", "realloc", "sigfillset", "stderr", "strchr"),
        *("strcmp", "strdup", "strerror", "strlen", "strtol", "strtoll", "strtoul", "sysconf"),
        # As they are called where the compiler neither puts them in line nor guards them:
        *("fprintf", "htonl", "htons", "ntohl", "ntohs", "vsnprintf"),
    }
)


class SystemCalls:
    """One run's kernel and clock, in libc's terms."""

    def __init__(
        self, kernel: ReadinessKernel, now_ns: Callable[[], int], real: bool = False
    ) -> None:
        self.kernel = kernel
        self.real = real  # it is the system's
        self.now_ns = now_ns
        self.failure: BaseException | None = None
        self.made = 0  # calls
        self._bound: dict[int, int] = {}  # descriptor -> port that bind asked for
        self._pipes: set[int] = set()
        self._wakeups: set[int] = set()
        self._data: dict[tuple[int, int], int] = {}  # (epfd, fd) -> the event's data

    # Sockets.

    def socket(self, family: int, kind: int, protocol: int) -> int:
        if family != _AF_INET or not kind & _SOCK_STREAM:
            raise SimulatorError(f"libevent asked for socket({family}, {kind:#x}), not for TCP")
        return _answer(self.kernel.socket())

    def bind(self, fd: int, address: int, length: int) -> int:
        self._bound[fd] = _port_at(address)
        return 0

    def listen(self, fd: int, backlog: int) -> int:
        answer = self.kernel.listen(fd, self._bound.pop(fd, 0), backlog)
        return _fail(answer) if isinstance(answer, Errno) else 0

    def connect(self, fd: int, address: int, length: int) -> int:
        return _done(self.kernel.connect(fd, _port_at(address)))

    def accept4(self, fd: int, address: int, length: int, flags: int) -> int:
        accepted = self.kernel.accept(fd)
        if isinstance(accepted, Errno):
            return _fail(accepted)
        _write_address(address, length, accepted.peer_port)
        return accepted.fd

    def getsockname(self, fd: int, address: int, length: int) -> int:
        port = self.kernel.getsockname(fd)
        if isinstance(port, Errno):
            return _fail(port)
        _write_address(address, length, port)
        return 0

    def getsockopt(self, fd: int, level: int, option: int, value: int, length: int) -> int:
        if (level, option) != (_SOL_SOCKET, _SO_ERROR):
            return set_errno(_EINVAL)
        error = self.kernel.so_error(fd)
        if error is Errno.EBADF or error is Errno.ENOTSOCK:
            return _fail(error)
        ctypes.c_int.from_address(value).value = 0 if error is None else error.value
        return 0

    def setsockopt(self, fd: int, level: int, option: int, value: int, length: int) -> int:
        return 0  # SO_REUSEADDR, SO_KEEPALIVE, TCP_NODELAY: nothing of it shows on this network

    def fcntl(self, fd: int, command: int, argument: int) -> int:
        if command == _F_GETFL:
            return _O_NONBLOCK | _O_RDWR
        return 0 if command in (_F_GETFD, _F_SETFD, _F_SETFL) else set_errno(_EINVAL)

    def ioctl(self, fd: int, request: int, argument: int) -> int:
        if request != _FIONREAD:
            return set_errno(_EINVAL)
        size = self.kernel.bytes_readable(fd)
        if isinstance(size, Errno):
            return _fail(size)
        ctypes.c_int.from_address(argument).value = size
        return 0

    def readv(self, fd: int, vectors: int, count: int) -> int:
        pieces = _vectors(vectors, count)
        data = self.kernel.recv(fd, sum(size for _, size in pieces))
        if isinstance(data, Errno):
            return _fail(data)
        place = 0
        for address, size in pieces:
            piece = data[place : place + size]
            if not piece:
                break
            ctypes.memmove(address, piece, len(piece))
            place += len(piece)
        return len(data)

    def eventfd(self, value: int, flags: int) -> int:
        fd = _answer(self.kernel.eventfd())
        if fd >= 0:
            self._wakeups.add(fd)
        return fd

    def read(self, fd: int, address: int, size: int) -> int:
        if fd in self._pipes:
            return set_errno(_EAGAIN)
        if fd in self._wakeups:
            count = self.kernel.eventfd_read(fd)
            if isinstance(count, Errno):
                return _fail(count)
            ctypes.c_uint64.from_address(address).value = count
            return size
        data = self.kernel.recv(fd, size)
        if isinstance(data, Errno):
            return _fail(data)
        ctypes.memmove(address, data, len(data))
        return len(data)

    def writev(self, fd: int, vectors: int, count: int) -> int:
        pieces = [ctypes.string_at(address, size) for address, size in _vectors(vectors, count)]
        return _answer(self.kernel.send(fd, pieces))

    def write(self, fd: int, address: int, size: int) -> int:
        if fd in self._pipes:
            return size
        if fd in self._wakeups:
            return size if _done(self.kernel.eventfd_write(fd)) == 0 else -1
        return _answer(self.kernel.send(fd, [ctypes.string_at(address, size)]))

    def close(self, fd: int) -> int:
        if fd in self._pipes:
            self._pipes.discard(fd)
            return 0
        self._bound.pop(fd, None)
        self._wakeups.discard(fd)
        return _done(self.kernel.close(fd))

    def pipe2(self, descriptors: int, flags: int) -> int:
        first = _PIPE_FIRST + len(self._pipes)
        self._pipes |= {first, first + 1}
        ctypes.memmove(descriptors, struct.pack("=ii", first, first + 1), 8)
        return 0

    # epoll.

    def epoll_create1(self, flags: int) -> int:
        return _answer(self.kernel.epoll_create())

    def epoll_ctl(self, epfd: int, operation: int, fd: int, event: int) -> int:
        mask, data = _EVENT.unpack(ctypes.string_at(event, _EVENT.size)) if event else (0, fd)
        self._data[epfd, fd] = data
        return _done(self.kernel.epoll_ctl(epfd, operation, fd, mask))

    def epoll_wait(self, epfd: int, events: int, maxevents: int, timeout_ms: int) -> int:
        timeout_ns = None if timeout_ms < 0 else timeout_ms * 1_000_000
        ready = self.kernel.epoll_wait(epfd, maxevents, timeout_ns)
        if isinstance(ready, Errno):
            return _fail(ready)
        data = self._data
        packed = b"".join([_EVENT.pack(mask, data[epfd, fd]) for fd, mask in ready])
        ctypes.memmove(events, packed, len(packed))
        return len(ready)

    # The process.

    def getpid(self) -> int:
        return 1  # libevent makes a random seed of it

    def exit(self, code: int) -> int:
        end_process(f"libevent called exit({code})")

    def abort(self) -> int:
        end_process("libevent called abort()")

    # The clock.

    def clock_gettime(self, clock: int, time: int) -> int:
        seconds, rest_ns = divmod(self.now_ns() + CLOCK_START_NS, 1_000_000_000)
        ctypes.memmove(time, struct.pack("=qq", seconds, rest_ns), 16)
        return 0

    def gettimeofday(self, time: int, zone: int) -> int:
        # From 0, so that ticks of rate limits begin where those of other subjects do.
        seconds, rest_ns = divmod(self.now_ns(), 1_000_000_000)
        ctypes.memmove(time, struct.pack("=qq", seconds, rest_ns // 1_000), 16)
        return 0


_INT, _ADDRESS, _SIZE = ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t

#: libc's prototypes, without the result: ssize_t for those in `_LONG`, else int
PROTOTYPES: dict[str, tuple[Any, ...]] = {
    "socket": (_INT, _INT, _INT),
    "bind": (_INT, _ADDRESS, ctypes.c_uint),
    "listen": (_INT, _INT),
    "connect": (_INT, _ADDRESS, ctypes.c_uint),
    "accept4": (_INT, _ADDRESS, _ADDRESS, _INT),
    "getsockname": (_INT, _ADDRESS, _ADDRESS),
    "getsockopt": (_INT, _INT, _INT, _ADDRESS, _ADDRESS),
    "setsockopt": (_INT, _INT, _INT, _ADDRESS, ctypes.c_uint),
    "fcntl": (_INT, _INT, ctypes.c_long),
    "ioctl": (_INT, ctypes.c_ulong, _ADDRESS),
    "readv": (_INT, _ADDRESS, _INT),
    "read": (_INT, _ADDRESS, _SIZE),
    "writev": (_INT, _ADDRESS, _INT),
    "write": (_INT, _ADDRESS, _SIZE),
    "close": (_INT,),
    "pipe2": (_ADDRESS, _INT),
    "eventfd": (ctypes.c_uint, _INT),
    "epoll_create1": (_INT,),
    "epoll_ctl": (_INT, _INT, _INT, _ADDRESS),
    "epoll_wait": (_INT, _ADDRESS, _INT, _INT),
    "clock_gettime": (_INT, _ADDRESS),
    "gettimeofday": (_ADDRESS, _ADDRESS),
    "getpid": (),
    "exit": (_INT,),
    "abort": (),
}
_LONG = frozenset({"readv", "read", "writev", "write"})

at_end: list[Callable[[], None]] = []  # what to do before libevent ends the process


def end_process(why: str) -> NoReturn:
    """libevent gave up. The line on standard error is for whoever started this process."""
    os.write(2, f"fatal: {why}\n".encode())
    for last in at_end:
        last()
    os._exit(FATAL_EXIT)


class Gate:
    """The C functions that libevent's slots point to; they go to the calls of the current run.

    `refused` are the others that it may call: each stops the run with its name.
    """

    def __init__(self, refused: Iterable[str]) -> None:
        self.calls: SystemCalls | None = None
        self.leave: Callable[[], None] | None = None  # event_base_loopbreak of the current base
        self._kept: list[Any] = []
        self.functions: dict[str, Callable[..., int]] = {}
        self.addresses = {name: self._address(name) for name in PROTOTYPES}
        self.addresses |= {name: self._refusal(name) for name in refused}

    def _address(self, name: str) -> int:
        result = ctypes.c_ssize_t if name in _LONG else ctypes.c_int

        def call(*args: Any) -> int:
            calls = self.calls
            try:
                if calls is None:
                    raise SimulatorError(f"libevent called {name} outside of a run")
                calls.made += 1
                if not calls.real:
                    return int(getattr(calls, name)(*args))
                before = get_errno()
                answer = int(getattr(calls, name)(*args))
                if answer >= 0:
                    set_errno(before)  # a call that succeeds leaves it alone; the system's do not
                return answer
            except BaseException as error:  # it must not pass through C
                return self._failed(error)

        self.functions[name] = call
        return self._keep(ctypes.PYFUNCTYPE(result, *PROTOTYPES[name])(call))

    def _refusal(self, name: str) -> int:
        def call() -> int:
            return self._failed(SimulatorError(f"libevent called {name}, which is not simulated"))

        return self._keep(ctypes.PYFUNCTYPE(ctypes.c_int)(call))

    def _keep(self, function: Any) -> int:
        self._kept.append(function)
        address = ctypes.cast(function, ctypes.c_void_p).value
        assert address is not None
        return address

    def _failed(self, error: BaseException) -> int:
        if self.calls is not None and self.calls.failure is None:
            self.calls.failure = error
        if self.leave is not None:
            self.leave()
        return set_errno(_EINTR)


def _errno_address() -> Any:
    function = ctypes.PyDLL(None).__errno_location
    function.restype = ctypes.POINTER(ctypes.c_int)
    return function


_ERRNO = _errno_address()  # of the thread that asks


def clear_errno() -> None:
    """A run begins: what an earlier one left in errno is none of its business."""
    _ERRNO()[0] = 0


def get_errno() -> int:
    """The C library's errno of this thread."""
    return int(_ERRNO()[0])


def set_errno(number: int) -> int:
    """errno, and -1: what a failed call gives."""
    _ERRNO()[0] = number
    return -1


def _fail(error: Errno) -> int:
    return set_errno(error.value)


def _done(error: Errno | None) -> int:
    return 0 if error is None else _fail(error)


def _answer(result: int | Errno) -> int:
    return _fail(result) if isinstance(result, Errno) else result


def _port_at(address: int) -> int:
    family, port, host = _SOCKADDR.unpack(ctypes.string_at(address, _SOCKADDR.size))
    if family != _AF_INET or host != _LOOPBACK:
        raise SimulatorError(f"libevent named the address {family} {host.hex()}: not 127.0.0.1")
    return int.from_bytes(port, "big")


def socket_address(port: int) -> bytes:
    """127.0.0.1:`port` as a sockaddr_in."""
    return _SOCKADDR.pack(_AF_INET, port.to_bytes(2, "big"), _LOOPBACK)


def _write_address(address: int, length: int, port: int) -> None:
    if address and length:
        ctypes.memmove(address, socket_address(port), _SOCKADDR.size)
        ctypes.c_uint.from_address(length).value = _SOCKADDR.size


def _vectors(address: int, count: int) -> list[tuple[int, int]]:
    """An array of struct iovec: (address, bytes)."""
    return list(struct.iter_unpack("=QQ", ctypes.string_at(address, 16 * count)))
