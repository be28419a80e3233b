"""Winsock and completion ports through ctypes: structures, constants, prototypes. No policy.

Layouts and values are those of winsock2.h, mswsock.h, minwinbase.h and winternl.h for 64-bit
Windows. Functions keep their Windows names; those that fail leave their error in
`ctypes.get_last_error()` (Winsock's errors too: WSAGetLastError is GetLastError).

Pointers are declared as `c_void_p`, which takes an integer as it is, and takes a `c_void_p` made
beforehand twice as fast: on the path of every byte the callers keep those.
Importing this module starts Winsock: that is what `import socket` does.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from ctypes import c_char, c_char_p, c_int, c_long, c_size_t, c_ulong, c_ushort, c_void_p
from typing import Any

assert sys.platform == "win32", "real.winsock needs Windows, or Wine (duopoll setup-wine)"

AF_INET = int(socket.AF_INET)
SOCK_STREAM = int(socket.SOCK_STREAM)
IPPROTO_TCP = 6
TCP_NODELAY = 1
SOL_SOCKET = 0xFFFF
SO_SNDBUF = 0x1001
SO_UPDATE_ACCEPT_CONTEXT = 0x700B
SO_UPDATE_CONNECT_CONTEXT = 0x7010
WSA_FLAG_OVERLAPPED = 0x01
WSA_FLAG_NO_HANDLE_INHERIT = 0x80
SD = {"RD": 0, "WR": 1, "RDWR": 2}
INVALID_SOCKET = (1 << 64) - 1
INVALID_HANDLE_VALUE = (1 << 64) - 1
INFINITE = 0xFFFFFFFF
WAIT_TIMEOUT = 258
WSA_IO_PENDING = 997
FILE_SKIP_COMPLETION_PORT_ON_SUCCESS = 0x01
LOOPBACK = 0x7F000001
ADDRESS_SIZE = 16 + 16  # AcceptEx wants 16 bytes more than a sockaddr_in for each address


class SockaddrIn(ctypes.Structure):
    """struct sockaddr_in; port and address in network order."""

    _fields_ = (
        ("family", c_ushort),
        ("port", ctypes.c_ubyte * 2),
        ("address", ctypes.c_ubyte * 4),
        ("zero", c_char * 8),
    )


class Memory(ctypes.Structure):
    """What one overlapped operation needs at a fixed place: OVERLAPPED first, then one WSABUF.

    Flat, because an attribute of a nested structure makes an object each time.
    """

    _fields_ = (
        ("Internal", c_size_t),  # OVERLAPPED: 32 bytes
        ("InternalHigh", c_size_t),
        ("Offset", c_ulong),
        ("OffsetHigh", c_ulong),
        ("hEvent", c_size_t),
        ("len", c_ulong),  # WSABUF: 16 bytes
        ("buf", c_char_p),  # takes bytes, which it then keeps alive, or an address
        ("nbytes", c_ulong),
        ("flags", c_ulong),
        ("addresses", c_char * (2 * ADDRESS_SIZE)),  # of AcceptEx; ConnectEx's sockaddr
    )

    Internal: int
    hEvent: int
    len: int
    buf: bytes | int | None
    nbytes: int
    flags: int


class Wsabuf(ctypes.Structure):
    """WSABUF."""

    _fields_ = (("len", c_ulong), ("buf", c_char_p))

    len: int
    buf: bytes | int | None


class Guid(ctypes.Structure):
    """GUID."""

    _fields_ = (
        ("data1", c_ulong),
        ("data2", c_ushort),
        ("data3", c_ushort),
        ("data4", ctypes.c_ubyte * 8),
    )


#: OVERLAPPED_ENTRY as four words of 8 bytes: key, OVERLAPPED*, NTSTATUS, number of bytes (whose
#: upper half is padding, of any content, as is that of the status)
ENTRY_WORDS = 4

# The class holds descriptors under the names of its fields, of which its annotations know nothing.
BUF_AT = Memory.len.offset  # type: ignore[attr-defined]  # a descriptor
NBYTES_AT = Memory.nbytes.offset  # type: ignore[attr-defined]  # a descriptor
FLAGS_AT = Memory.flags.offset  # type: ignore[attr-defined]  # a descriptor
ADDRESSES_AT = Memory.addresses.offset

_ws2 = ctypes.WinDLL("ws2_32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


def _function(library: ctypes.WinDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[name]
    function.restype = result
    function.argtypes = arguments
    return function


_SOCKET = c_size_t  # UINT_PTR
_HANDLE = c_size_t
_DWORD = c_ulong
_POINTER = c_void_p

WSASocketW = _function(_ws2, "WSASocketW", _SOCKET, c_int, c_int, c_int, _POINTER, c_int, _DWORD)
bind = _function(_ws2, "bind", c_int, _SOCKET, _POINTER, c_int)
listen = _function(_ws2, "listen", c_int, _SOCKET, c_int)
getsockname = _function(_ws2, "getsockname", c_int, _SOCKET, _POINTER, _POINTER)
getpeername = _function(_ws2, "getpeername", c_int, _SOCKET, _POINTER, _POINTER)
setsockopt = _function(_ws2, "setsockopt", c_int, _SOCKET, c_int, c_int, _POINTER, c_int)
shutdown = _function(_ws2, "shutdown", c_int, _SOCKET, c_int)
closesocket = _function(_ws2, "closesocket", c_int, _SOCKET)
WSAIoctl = _function(
    *(_ws2, "WSAIoctl", c_int, _SOCKET, _DWORD, _POINTER, _DWORD, _POINTER, _DWORD),
    *(_POINTER, _POINTER, _POINTER),
)
# handle, WSABUF*, their number, bytes*, flags* (WSASend: flags), OVERLAPPED*, no routine
WSARecv = _function(
    *(_ws2, "WSARecv", c_int, _SOCKET, _POINTER, _DWORD, _POINTER, _POINTER, _POINTER, _POINTER)
)
WSASend = _function(
    *(_ws2, "WSASend", c_int, _SOCKET, _POINTER, _DWORD, _POINTER, _DWORD, _POINTER, _POINTER)
)
CreateIoCompletionPort = _function(
    _kernel32, "CreateIoCompletionPort", _HANDLE, _HANDLE, _HANDLE, c_size_t, _DWORD
)
CloseHandle = _function(_kernel32, "CloseHandle", c_int, _HANDLE)
CancelIoEx = _function(_kernel32, "CancelIoEx", c_int, _HANDLE, _POINTER)
SetFileCompletionNotificationModes = _function(
    _kernel32, "SetFileCompletionNotificationModes", c_int, _HANDLE, ctypes.c_ubyte
)
# port, entries, their number, removed*, milliseconds, alertable
GetQueuedCompletionStatusEx = _function(
    *(_kernel32, "GetQueuedCompletionStatusEx", c_int),
    *(_HANDLE, _POINTER, _DWORD, _POINTER, _DWORD, c_int),
)
PostQueuedCompletionStatus = _function(
    _kernel32, "PostQueuedCompletionStatus", c_int, _HANDLE, _DWORD, c_size_t, _POINTER
)

_SIO_GET_EXTENSION_FUNCTION_POINTER = 0xC8000006
_WSAID_ACCEPTEX = Guid(0xB5367DF1, 0xCBAC, 0x11CF, (0x95, 0xCA, 0x00, 0x80, 0x5F, 0x48, 0xA1, 0x92))
_WSAID_CONNECTEX = Guid(
    0x25A207B9, 0xDDF3, 0x4660, (0x8E, 0xE9, 0x76, 0xE5, 0x8C, 0x74, 0x06, 0x3E)
)
# listener, acceptor, output, receive length, local and remote length, bytes*, OVERLAPPED*
_ACCEPTEX = ctypes.WINFUNCTYPE(
    *(c_int, _SOCKET, _SOCKET, _POINTER, _DWORD, _DWORD, _DWORD, _POINTER, _POINTER),
    use_last_error=True,
)
# socket, sockaddr*, its size, send buffer, its size, bytes*, OVERLAPPED*
_CONNECTEX = ctypes.WINFUNCTYPE(
    *(c_int, _SOCKET, _POINTER, c_int, _POINTER, _DWORD, _POINTER, _POINTER),
    use_last_error=True,
)


def extension(handle: int, guid: Guid) -> int:
    """Where an extension function of a socket's provider is."""
    pointer, size = c_size_t(), c_ulong()
    failed = WSAIoctl(
        *(handle, _SIO_GET_EXTENSION_FUNCTION_POINTER),
        *(ctypes.addressof(guid), ctypes.sizeof(guid)),
        *(ctypes.addressof(pointer), ctypes.sizeof(pointer), ctypes.addressof(size), None, None),
    )
    if failed:
        raise ctypes.WinError(ctypes.get_last_error())
    return pointer.value


def _load_extensions() -> tuple[Any, Any]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as any_socket:
        handle = any_socket.fileno()
        accept = _ACCEPTEX(extension(handle, _WSAID_ACCEPTEX))
        return accept, _CONNECTEX(extension(handle, _WSAID_CONNECTEX))


AcceptEx, ConnectEx = _load_extensions()


def loopback(port: int) -> SockaddrIn:
    """127.0.0.1:`port`."""
    return SockaddrIn(
        AF_INET,
        (ctypes.c_ubyte * 2)(*port.to_bytes(2, "big")),
        (ctypes.c_ubyte * 4)(*LOOPBACK.to_bytes(4, "big")),
    )


def port_by(call: Any, handle: int) -> int | None:
    """The port that getsockname or getpeername tells; None when it failed."""
    address, size = SockaddrIn(), c_long(ctypes.sizeof(SockaddrIn))
    if call(handle, ctypes.addressof(address), ctypes.addressof(size)):
        return None
    return int.from_bytes(bytes(address.port), "big")


def kernel_version() -> str:
    """`Wine 8.0`, or `Windows 10.0.22631`."""
    ntdll = ctypes.WinDLL("ntdll")
    try:
        wine_get_version = ntdll.wine_get_version  # winehq.org: only Wine's ntdll has it
    except AttributeError:
        return "Windows " + ".".join(str(part) for part in sys.getwindowsversion()[:3])
    wine_get_version.restype = ctypes.c_char_p
    return f"Wine {wine_get_version().decode().split()[0]}"
