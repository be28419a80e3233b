"""Reads a pcapng file back, block by block and checksum by checksum, without the writer's code."""

from __future__ import annotations

import struct
from typing import NamedTuple


class Segment(NamedTuple):
    """A TCP segment of a capture."""

    t_ns: int
    comment: str
    ports: tuple[int, int]
    sequence: int
    acknowledged: int
    flags: int
    data: bytes


def sum16(data: bytes) -> int:
    """The ones' complement sum of 16-bit words, as the Internet's protocols check it."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[i : i + 2], "big") for i in range(0, len(padded), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def blocks(capture: bytes) -> list[tuple[int, bytes]]:
    """(type, body) of each block."""
    found = []
    at = 0
    while at < len(capture):
        kind, size = struct.unpack_from("<II", capture, at)
        assert size % 4 == 0 and size >= 12
        assert struct.unpack_from("<I", capture, at + size - 4)[0] == size
        found.append((kind, capture[at + 8 : at + size - 4]))
        at += size
    assert at == len(capture)
    return found


def options(body: bytes) -> dict[int, bytes]:
    """The options at the end of a block's body; the last one ends them."""
    found: dict[int, bytes] = {}
    at = 0
    while True:
        code, size = struct.unpack_from("<HH", body, at)
        at += 4
        if code == 0:
            assert size == 0 and at == len(body)
            return found
        found[code] = body[at : at + size]
        at += size + -size % 4


def segments(capture: bytes) -> list[Segment]:
    """All packets, each of which must be a good IPv4 packet with a good TCP segment."""
    section, interface, *packets = blocks(capture)
    assert section[0] == 0x0A0D0D0A
    assert section[1][:4] == bytes.fromhex("4d3c2b1a")
    assert interface[0] == 1
    assert struct.unpack_from("<H", interface[1])[0] == 101
    assert options(interface[1][8:])[9] == b"\x09"
    return [_segment(*packet) for packet in packets]


def _segment(kind: int, body: bytes) -> Segment:
    assert kind == 6
    _, high, low, size, original = struct.unpack_from("<IIIII", body)
    assert size == original
    packet = body[20 : 20 + size]
    comment = options(body[20 + size + -size % 4 :])[1].decode("ascii")
    assert packet[0] == 0x45 and packet[9] == 6
    assert struct.unpack_from("!H", packet, 2)[0] == size
    assert sum16(packet[:20]) == 0xFFFF
    tcp = packet[20:]
    pseudo = packet[12:20] + b"\0\6" + struct.pack("!H", len(tcp))
    assert sum16(pseudo + tcp) == 0xFFFF
    source, target, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", tcp)
    data = tcp[(offset >> 4) * 4 :]
    return Segment(high << 32 | low, comment, (source, target), sequence, acknowledged, flags, data)
