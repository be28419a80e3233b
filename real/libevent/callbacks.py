"""What libevent calls: one C function a kind of callback, which finds its object by its number."""

from __future__ import annotations

import ctypes
import re
from typing import TYPE_CHECKING

from model.errors import Errno
from real.libevent.library import ACCEPT_CB, DATA_CB, EVENT_CB, FATAL_CB, LOG_CB, ONCE_CB
from real.libevent.system_calls import end_process, get_errno

if TYPE_CHECKING:
    from real.libevent.subject import LibeventBase

current: list[LibeventBase] = []  # the last one made is that of the run
_POINTER = re.compile(r"0x[0-9a-f]+")  # another one in every run
_ERRNO_NAMES = {member.value: member for member in Errno}


def errno_value(number: int) -> Errno | None:
    return _ERRNO_NAMES.get(number)


def _on_read(_: int, number: int) -> None:
    base = current[-1]
    bev = base.objects[number]
    if bev.readcb is not None:
        base.guarded(bev.readcb, bev)


def _on_write(_: int, number: int) -> None:
    base = current[-1]
    bev = base.objects[number]
    if bev.writecb is not None:
        base.guarded(bev.writecb, bev)


def _on_event(_: int, what: int, number: int) -> None:
    errno = get_errno()
    error = errno_value(errno)
    base = current[-1]
    bev = base.objects[number]
    bev.errno, bev.what = errno, what
    bev.error = bev.failure(what, error)
    if bev.eventcb is not None:
        base.guarded(bev.eventcb, bev, what & 0xFFFF)


def _on_accept(_: int, fd: int, address: int, length: int, number: int) -> None:
    base = current[-1]
    listener = base.objects[number]
    port = int.from_bytes(ctypes.string_at(address + 2, 2), "big")
    base.guarded(listener.callback, listener, fd, port)


def _on_timer(_: int, what: int, number: int) -> None:
    base = current[-1]
    base.guarded(base.timers.pop(number))


def _on_log(severity: int, message: bytes) -> None:
    text = _POINTER.sub("0x...", message.decode(errors="replace"))
    if current:
        current[-1].log.append(text)
        current[-1].world.log(severity, text)


def _on_fatal(number: int) -> None:
    """libevent's next step is exit(3) or abort(3)."""
    base = current[-1] if current else None
    end_process(base.log[-1] if base is not None and base.log else f"fatal error {number}")


READ, WRITE, EVENT = DATA_CB(_on_read), DATA_CB(_on_write), EVENT_CB(_on_event)
ACCEPT, ONCE = ACCEPT_CB(_on_accept), ONCE_CB(_on_timer)
LOG, FATAL = LOG_CB(_on_log), FATAL_CB(_on_fatal)
NO_DATA, NO_EVENT, NO_ACCEPT = DATA_CB(), EVENT_CB(), ACCEPT_CB()
