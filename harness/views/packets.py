"""A run as packets: TCP segments that the calls of a trace could have made, on loopback addresses.

The segments are made up; what they carry is not. A send is a segment when it is called, a receive
is the acknowledgement of what it took, a shutdown or close a FIN, a reset a RST; every packet has
the record that it stands for as its comment. Sequence numbers, lengths and checksums are right,
so a reader of captures follows each stream and finds the trace's bytes in it. A handshake, and
bytes whose sender's record comes behind their receiver's (a raw peer of a real world writes late),
are put where something first shows that they were. What TLS encrypts is zeros, as in the trace.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from harness.views import flows
from harness.views.flows import Flow, Happening
from harness.views.pcapng import Packet, encode
from harness.words import describe
from model.trace import Record

LOOPBACK = bytes((127, 0, 0, 1))
SEGMENT_MAX = 65_495  # 65,535 of an IPv4 packet (RFC 791) without two headers of 20 bytes
CLIENT_PORT = 50_000  # of the first connection; the next one has the next
SERVER_PORT = 40_000  # where no record names one
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16  # RFC 9293, section 3.1

_CLIENT, _SERVER = 0, 1
_WINDOW = 0xFFFF
_WINDOW_SCALE = 14  # RFC 7323: the greatest, so that no reader takes the window for full
#: of a SYN: the maximum segment size (RFC 9293, 3.2), then a no-op and the window scale
_SYN_OPTIONS = struct.pack("!BBHBBBB", 2, 4, SEGMENT_MAX, 1, 3, 3, _WINDOW_SCALE)


def pcapng(records: Sequence[Record], title: str) -> bytes:
    """The run as a capture file."""
    return encode(packets(records), title)


def packets(records: Sequence[Record]) -> list[Packet]:
    """The packets of all connections, in the order of the records."""
    found = flows.happenings(records)
    streams: dict[int, tuple[_Stream, int]] = {}
    for number, flow in enumerate(flows.flows(found)):
        stream = _Stream(records, flow, number)
        streams[id(flow.client)] = (stream, _CLIENT)
        streams[id(flow.server)] = (stream, _SERVER)
    made: list[Packet] = []
    for happening in found:
        where = streams.get(id(happening.socket))
        if where is not None:
            stream, side = where
            stream.out = made
            stream.happens(happening, side)
    return made


class _Stream:
    """One connection. Lists of two are of the client and of the server."""

    def __init__(self, records: Sequence[Record], flow: Flow, number: int) -> None:
        self.records = records
        self.out: list[Packet] = []
        server = flow.client.port or SERVER_PORT + flow.index
        client = CLIENT_PORT + number
        self.ports = (client, server if server != client and 0 < server < 1 << 16 else client - 1)
        self.syn = self.open = self.dead = False
        self.emitted = [0, 0]  # bytes put into segments
        self.told = [0, 0]  # bytes that the sender's records have shown
        self.taken = [0, 0]  # bytes of the other that this one has received
        self.fin = [False, False]
        self.ended = [False, False]  # has read the other's end
        self.acknowledged = [0, 0]
        self.identification = 0

    def happens(self, happening: Happening, side: int) -> None:
        """One happening, and the packets that show it."""
        what, data = happening.what, happening.data
        index = happening.record
        if what == flows.CONNECT:
            self._connect(index)
        elif what == flows.REFUSED:
            self._connect(index)
            self._refuse(index)
        elif what in {flows.ESTABLISHED, flows.ACCEPT}:
            self._handshake(index)
        elif what == flows.SEND:
            self._handshake(index)
            self._send(index, side, data)
        elif what == flows.RECV:
            self._handshake(index)
            self._receive(index, side, data)
        elif what == flows.END:
            self._handshake(index)
            self._end(index, side)
        elif what == flows.RESET and self.open and not self.dead:
            self.dead = True
            self._segment(index, side, RST | ACK)
        elif what in {flows.SHUTDOWN, flows.CLOSE}:
            self._finish(index, side)

    def _connect(self, index: int) -> None:
        if not self.syn:
            self.syn = True
            self._emit(index, _CLIENT, SYN, 0, 0, _SYN_OPTIONS)

    def _refuse(self, index: int) -> None:
        if not self.open and not self.dead:
            self.dead = True
            self._emit(index, _SERVER, RST | ACK, 0, 1)

    def _handshake(self, index: int) -> None:
        if self.open or self.dead:
            return
        self._connect(index)
        self.open = True
        self._emit(index, _SERVER, SYN | ACK, 0, 1, _SYN_OPTIONS)
        self.acknowledged = [1, 1]
        self._emit(index, _CLIENT, ACK, 1, 1)

    def _send(self, index: int, side: int, data: bytes) -> None:
        self.told[side] += len(data)
        new = self.told[side] - self.emitted[side]
        if new > 0:
            self._carry(index, side, data[-new:])

    def _carry(self, index: int, side: int, data: bytes) -> None:
        for begin in range(0, len(data), SEGMENT_MAX):
            piece = data[begin : begin + SEGMENT_MAX]
            self._segment(index, side, PSH | ACK, piece)
            self.emitted[side] += len(piece)

    def _receive(self, index: int, side: int, data: bytes) -> None:
        other = 1 - side
        self.taken[side] += len(data)
        early = self.taken[side] - self.emitted[other]
        if early > 0:
            self._carry(index, other, data[-early:])
        self._acknowledge(index, side)

    def _end(self, index: int, side: int) -> None:
        self._finish(index, 1 - side)
        self.ended[side] = True
        self._acknowledge(index, side)

    def _finish(self, index: int, side: int) -> None:
        if self.open and not self.dead and not self.fin[side]:
            self._segment(index, side, FIN | ACK)
            self.fin[side] = True

    def _acknowledge(self, index: int, side: int) -> None:
        if self._ack_number(side) > self.acknowledged[side] and not self.dead:
            self._segment(index, side, ACK)

    def _ack_number(self, side: int) -> int:
        return 1 + self.taken[side] + (self.ended[side] and self.fin[1 - side])

    def _segment(self, index: int, side: int, flags: int, data: bytes = b"") -> None:
        """A segment of an open connection."""
        sequence = 1 + self.emitted[side] + self.fin[side]
        acknowledged = self._ack_number(side)
        self.acknowledged[side] = max(acknowledged, self.acknowledged[side])
        self._emit(index, side, flags, sequence, acknowledged, data=data)

    def _emit(
        self,
        index: int,
        side: int,
        flags: int,
        sequence: int,
        acknowledged: int,
        options: bytes = b"",
        data: bytes = b"",
    ) -> None:
        ports = self.ports if side == _CLIENT else self.ports[::-1]
        tcp = struct.pack(
            "!HHIIBBHHH",
            *ports,
            sequence & 0xFFFF_FFFF,
            acknowledged & 0xFFFF_FFFF,
            (20 + len(options)) // 4 << 4,
            flags,
            _WINDOW,
            0,
            0,
        )
        self.identification += 1
        segment = _with_checksum(tcp + options + data)
        packet = _ip_header(len(segment), self.identification) + segment
        record = self.records[index]
        comment = f"record {index}: {describe(record)}"
        self.out.append(Packet(max(record[0], 0), packet, comment))


def _ip_header(size: int, identification: int) -> bytes:
    """RFC 791: no options, do not fragment, 64 hops, TCP."""
    fields = (0x45, 0, 20 + size, identification & 0xFFFF, 0x4000, 64, 6)
    start = struct.pack("!BBHHHBB", *fields)
    checksum = _checksum(start + bytes(2) + LOOPBACK + LOOPBACK)
    return start + struct.pack("!H", checksum) + LOOPBACK + LOOPBACK


def _with_checksum(segment: bytes) -> bytes:
    """RFC 9293, section 3.1: over a pseudo-header of the addresses, the protocol and the length."""
    pseudo = LOOPBACK + LOOPBACK + struct.pack("!BBH", 0, 6, len(segment))
    checksum = _checksum(pseudo + segment)
    return segment[:16] + struct.pack("!H", checksum) + segment[18:]


def _checksum(data: bytes) -> int:
    """RFC 1071: the complement of the sum of 16-bit words in ones' complement."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
