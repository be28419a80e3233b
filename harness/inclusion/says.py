"""What was possible, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.words import count, outcome_text
from sim.segments import CLOSED, LISTEN, SYN_SENT, Connection

SHOWN = 16  # bytes


def outcome(value: Any) -> str:
    """A result of a call."""
    if isinstance(value, (bytes, bytearray)):
        return content_text(bytes(value))
    return outcome_text(value)


def content_text(data: bytes) -> str:
    """`3 bytes (a1b2c3)`, or end of file."""
    if not data:
        return "end of file"
    more = "..." if len(data) > SHOWN else ""
    return f"{count(len(data), 'byte')} ({data[:SHOWN].hex()}{more})"


def _beginning(chunks: Iterable[bytes], size: int) -> str:
    """The same for chunks of data that may be large: only the first is looked at."""
    first = next(iter(chunks))[:SHOWN]
    return f"{count(size, 'byte')} ({first.hex()}{'...' if size > len(first) else ''})"


def state_of(endpoint: Connection | None, name: str) -> str:
    """What a socket has, and what is on its way to it."""
    if endpoint is None:
        return f"{name} has no connection"
    if endpoint.state is LISTEN:
        waiting = len(endpoint.accept_queue or ())
        return f"{name} listens, {count(waiting, 'connection')} waiting"
    if endpoint.state is SYN_SENT:
        return f"{name} is connecting"
    parts = []
    if endpoint.inbox_size:
        parts.append(f"{_beginning(endpoint.inbox, endpoint.inbox_size)} unread")
    coming = [kind for kind, _ in (endpoint.peer.wire or ())] if endpoint.peer else []
    data = [kind for kind in coming if isinstance(kind, bytes)]
    if data:
        parts.append(f"{_beginning(data, sum(map(len, data)))} under way")
    if "FIN" in coming:
        parts.append("end of file under way")
    if "RST" in coming:
        parts.append("a reset under way")
    if endpoint.eof:
        parts.append("end of file")
    if endpoint.reset:
        parts.append("a reset")
    if endpoint.error is not None:
        parts.append(f"the error {endpoint.error.name}")
    if endpoint.queued:
        parts.append(f"{count(endpoint.queued, 'byte')} sent and not acknowledged")
    if endpoint.state is CLOSED and not parts:
        parts.append("no connection")
    return f"{name} has " + (", ".join(parts) or "nothing to read and space to send")
