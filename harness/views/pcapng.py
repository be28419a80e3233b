"""Writing pcapng: a section, one interface without link layer, packets with comments.

Source: draft-ietf-opsawg-pcapng, PCAP Next Generation Capture File Format: section 4.1 (Section
Header Block), 4.2 (Interface Description Block), 4.3 (Enhanced Packet Block), 3.5 (options). Link
types are those of draft-ietf-opsawg-pcaplinktype: 101 is a packet that begins with its IP header.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

LINKTYPE_RAW = 101
COMMENT_BYTES_MAX = 4_000  # an option's length has 16 bits

_SECTION_HEADER, _INTERFACE, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_LENGTH_UNKNOWN = 0xFFFF_FFFF_FFFF_FFFF
_END_OF_OPTIONS, _COMMENT, _IF_NAME, _USER_APPLICATION, _IF_TSRESOL = 0, 1, 2, 4, 9
_NANOSECONDS = b"\x09"  # timestamps are multiples of 10**-9 s


class Packet(NamedTuple):
    """One packet: nanoseconds since the capture's zero, the bytes from the IP header on."""

    t_ns: int
    data: bytes
    comment: str


def encode(packets: Iterable[Packet], title: str) -> bytes:
    """A whole capture file; `title` is its comment. Little-endian on every machine."""
    header = struct.pack("<IHHQ", _BYTE_ORDER_MAGIC, 1, 0, _LENGTH_UNKNOWN)
    about = [(_COMMENT, _text(title)), (_USER_APPLICATION, b"duopoll")]
    interface = [(_IF_NAME, b"lo"), (_IF_TSRESOL, _NANOSECONDS)]
    parts = [
        _block(_SECTION_HEADER, header + _options(about)),
        _block(_INTERFACE, struct.pack("<HHI", LINKTYPE_RAW, 0, 0) + _options(interface)),
    ]
    parts += [_packet(packet) for packet in packets]
    return b"".join(parts)


def _packet(packet: Packet) -> bytes:
    high, low = packet.t_ns >> 32 & 0xFFFF_FFFF, packet.t_ns & 0xFFFF_FFFF
    size = len(packet.data)
    head = struct.pack("<IIIII", 0, high, low, size, size)
    comment = _options([(_COMMENT, _text(packet.comment))])
    return _block(_ENHANCED_PACKET, head + _padded(packet.data) + comment)


def _block(kind: int, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def _options(options: list[tuple[int, bytes]]) -> bytes:
    coded = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options]
    return b"".join(coded) + struct.pack("<HH", _END_OF_OPTIONS, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _text(text: str) -> bytes:
    return text.encode("ascii", "backslashreplace")[:COMMENT_BYTES_MAX]
