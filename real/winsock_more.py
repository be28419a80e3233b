"""Winsock and Win32 beyond the contract of a completion kernel: what kernel cases speak of.

Plain blocking calls, options, DisconnectEx, CancelIo, results and events, through ctypes as in
`real.winsock`. Nothing here is on the path of a run.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from ctypes import c_char_p, c_int, c_long, c_size_t, c_ulong, c_void_p
from typing import Any

assert sys.platform == "win32", "real.winsock_more needs Windows, or Wine (duopoll setup-wine)"

SOL_SOCKET = 0xFFFF
SO_LINGER = 0x80
SO_SNDBUF = 0x1001
SO_RCVBUF = 0x1002
SO_ERROR = 0x1007
FIONBIO = 0x8004667E
NOTHING = c_ulong(0)

_ws2 = ctypes.WinDLL("ws2_32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)


def _function(library: ctypes.WinDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[name]
    function.restype = result
    function.argtypes = arguments
    return function


send = _function(_ws2, "send", c_int, c_size_t, c_char_p, c_int, c_int)
recv = _function(_ws2, "recv", c_int, c_size_t, c_void_p, c_int, c_int)
connect = _function(_ws2, "connect", c_int, c_size_t, c_void_p, c_int)
accept = _function(_ws2, "accept", c_size_t, c_size_t, c_void_p, c_void_p)
ioctlsocket = _function(_ws2, "ioctlsocket", c_int, c_size_t, c_ulong, c_void_p)
getsockopt = _function(_ws2, "getsockopt", c_int, c_size_t, c_int, c_int, c_void_p, c_void_p)
# socket, OVERLAPPED*, bytes*, wait, flags*
WSAGetOverlappedResult = _function(
    _ws2, "WSAGetOverlappedResult", c_int, c_size_t, c_void_p, c_void_p, c_int, c_void_p
)
GetOverlappedResult = _function(
    _kernel32, "GetOverlappedResult", c_int, c_size_t, c_void_p, c_void_p, c_int
)
CancelIo = _function(_kernel32, "CancelIo", c_int, c_size_t)
CreateEventW = _function(_kernel32, "CreateEventW", c_size_t, c_void_p, c_int, c_int, c_void_p)
WaitForSingleObject = _function(_kernel32, "WaitForSingleObject", c_ulong, c_size_t, c_ulong)
# port, bytes*, key*, OVERLAPPED**, milliseconds
GetQueuedCompletionStatus = _function(
    *(_kernel32, "GetQueuedCompletionStatus", c_int),
    *(c_size_t, c_void_p, c_void_p, c_void_p, c_ulong),
)


class Linger(ctypes.Structure):
    """struct linger."""

    _fields_ = (("on", ctypes.c_ushort), ("seconds", ctypes.c_ushort))


def _disconnect_ex() -> Any:
    from real import winsock

    guid = winsock.Guid(
        0x7FDA2E11, 0x8630, 0x436F, (0xA0, 0x31, 0xF5, 0x36, 0xA6, 0xEE, 0xC1, 0x57)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as any_socket:
        at = winsock.extension(any_socket.fileno(), guid)
    # socket, OVERLAPPED*, flags, reserved
    make = ctypes.WINFUNCTYPE(c_int, c_size_t, c_void_p, c_ulong, c_ulong, use_last_error=True)
    return make(at)


DisconnectEx = _disconnect_ex()


def option(handle: int, name: int) -> int | None:
    """An integer option of SOL_SOCKET; None when the call failed."""
    value, size = c_long(0), c_long(ctypes.sizeof(c_long))
    if getsockopt(handle, SOL_SOCKET, name, ctypes.addressof(value), ctypes.addressof(size)):
        return None
    return value.value
