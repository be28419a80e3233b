"""Outcomes that a kernel may give, as values, and the errors that are ours, as exceptions.

Numbers are Linux's for `Errno` (include/uapi/asm-generic/errno*.h), Winsock's and Win32's for
`Win32Error` (winerror.h, winsock2.h) and NT's for `NtStatus` (ntstatus.h), on every platform, so
that a trace reads the same wherever it was made.
"""

from __future__ import annotations

import enum


class Errno(enum.Enum):
    """An outcome of a readiness kernel's call, by its errno(3) name."""

    EPERM = 1
    ENOENT = 2
    EINTR = 4
    EIO = 5
    EBADF = 9
    EAGAIN = 11
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EEXIST = 17
    ENODEV = 19
    EISDIR = 21
    EINVAL = 22
    ENFILE = 23
    EMFILE = 24
    ESPIPE = 29
    EPIPE = 32
    ELOOP = 40
    ENOTSOCK = 88
    EDESTADDRREQ = 89
    EOPNOTSUPP = 95
    EADDRINUSE = 98
    EADDRNOTAVAIL = 99
    ENETUNREACH = 101
    ECONNABORTED = 103
    ECONNRESET = 104
    ENOBUFS = 105
    EISCONN = 106
    ENOTCONN = 107
    ESHUTDOWN = 108
    ETIMEDOUT = 110
    ECONNREFUSED = 111
    EHOSTUNREACH = 113
    EALREADY = 114
    EINPROGRESS = 115

    __hash__ = object.__hash__  # members are singletons; Enum's own hash goes through the name


class Win32Error(enum.Enum):
    """An outcome of a completion kernel's call, by its Win32 or Winsock name."""

    ERROR_INVALID_HANDLE = 6
    ERROR_UNEXP_NET_ERR = 59
    ERROR_NETNAME_DELETED = 64
    ERROR_INVALID_PARAMETER = 87
    ERROR_SEM_TIMEOUT = 121
    WAIT_TIMEOUT = 258
    ERROR_HANDLES_CLOSED = 676  # Wine 8 gives it where NT gives 1236
    ERROR_ABANDONED_WAIT_0 = 735
    ERROR_OPERATION_ABORTED = 995
    ERROR_IO_INCOMPLETE = 996
    WSA_IO_PENDING = 997
    ERROR_NOT_FOUND = 1168
    ERROR_CONNECTION_REFUSED = 1225
    ERROR_CONNECTION_ABORTED = 1236
    WSAEBADF = 10009
    WSAEFAULT = 10014
    WSAEINVAL = 10022
    WSAEMFILE = 10024
    WSAEWOULDBLOCK = 10035
    WSAENOTSOCK = 10038
    WSAEOPNOTSUPP = 10045
    WSAEADDRINUSE = 10048
    WSAEADDRNOTAVAIL = 10049
    WSAENETUNREACH = 10051
    WSAECONNABORTED = 10053
    WSAECONNRESET = 10054
    WSAENOBUFS = 10055
    WSAEISCONN = 10056
    WSAENOTCONN = 10057
    WSAESHUTDOWN = 10058
    WSAETIMEDOUT = 10060
    WSAECONNREFUSED = 10061
    WSAEHOSTUNREACH = 10065

    __hash__ = object.__hash__


class NtStatus(enum.Enum):
    """The status with which an overlapped operation ended."""

    SUCCESS = 0x00000000
    PENDING = 0x00000103
    HANDLES_CLOSED = 0x8000000A  # Wine 8: closesocket with a receive pending
    INVALID_HANDLE = 0xC0000008  # Wine 8: closesocket with a send pending
    OBJECT_TYPE_MISMATCH = 0xC0000024  # the same, when the handle's number was something else's
    CANCELLED = 0xC0000120
    INVALID_CONNECTION = 0xC0000140  # Wine 8: AcceptEx of a connection that was reset meanwhile
    LOCAL_DISCONNECT = 0xC000013B
    BUFFER_TOO_SMALL = 0xC0000023
    INVALID_PARAMETER = 0xC000000D
    IO_TIMEOUT = 0xC00000B5
    CONNECTION_RESET = 0xC000020D
    CONNECTION_REFUSED = 0xC0000236
    CONNECTION_ABORTED = 0xC0000241
    NETWORK_UNREACHABLE = 0xC000023C
    HOST_UNREACHABLE = 0xC000023D
    INSUFFICIENT_RESOURCES = 0xC000009A
    CONNECTION_INVALID = 0xC000023A
    UNSUCCESSFUL = 0xC0000001

    __hash__ = object.__hash__


#: NTSTATUS -> what WSAGetOverlappedResult reports (RtlNtStatusToDosError differs: winternl.h).
WSA_ERROR_OF_STATUS: dict[NtStatus, Win32Error] = {
    NtStatus.CANCELLED: Win32Error.ERROR_OPERATION_ABORTED,
    NtStatus.CONNECTION_RESET: Win32Error.WSAECONNRESET,
    NtStatus.CONNECTION_ABORTED: Win32Error.WSAECONNABORTED,
    NtStatus.LOCAL_DISCONNECT: Win32Error.WSAECONNABORTED,
    NtStatus.HANDLES_CLOSED: Win32Error.WSAECONNABORTED,
    NtStatus.INVALID_HANDLE: Win32Error.WSAENOTSOCK,
    NtStatus.OBJECT_TYPE_MISMATCH: Win32Error.WSAENOTSOCK,
    NtStatus.CONNECTION_REFUSED: Win32Error.WSAECONNREFUSED,
    NtStatus.CONNECTION_INVALID: Win32Error.WSAENOTCONN,
    NtStatus.INVALID_CONNECTION: Win32Error.WSAENOTCONN,
    NtStatus.IO_TIMEOUT: Win32Error.WSAETIMEDOUT,
    NtStatus.PENDING: Win32Error.ERROR_IO_INCOMPLETE,
    NtStatus.BUFFER_TOO_SMALL: Win32Error.WSAEFAULT,
    NtStatus.INVALID_PARAMETER: Win32Error.WSAEINVAL,
    NtStatus.NETWORK_UNREACHABLE: Win32Error.WSAENETUNREACH,
    NtStatus.HOST_UNREACHABLE: Win32Error.WSAEHOSTUNREACH,
    NtStatus.INSUFFICIENT_RESOURCES: Win32Error.WSAENOBUFS,
    NtStatus.UNSUCCESSFUL: Win32Error.WSAECONNABORTED,
    NtStatus.OBJECT_TYPE_MISMATCH: Win32Error.WSAENOTSOCK,
}


class DuopollError(Exception):
    """An error that the user sees as one line; `exit_code` is the command line's."""

    exit_code = 3


class UsageError(DuopollError):
    """Bad input: a scenario, a trace, an option. Names the thing, the value and the remedy."""

    exit_code = 2


class WorldUnavailable(DuopollError):
    """A world that cannot run on this machine, and what would make it run."""

    exit_code = 2


class Divergence(DuopollError):
    """A replay that no longer follows its recorded decisions or trace."""


class SimulatorError(DuopollError):
    """A defect of duopoll itself, never of the subject."""
