"""When the operations of a trace may end: in the order of its packets.

The packets of a port come out in the order in which they went in, so a trace tells in which order
operations ended; none of those that a dequeue gave had gone in before the dequeue before it, which
took all there was.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from harness.inclusion.held import Held
from harness.inclusion.iocp_bounds import (
    SUCCESS,
    Bounds,
    Operation,
)
from harness.inclusion.life import Life
from harness.inclusion.replay import Replay
from harness.inclusion.says import state_of
from harness.inclusion.waiting import Hint
from harness.scenario import Scenario
from model.errors import NtStatus
from model.trace import Record
from sim.iocp import SimIocp
from sim.iocp_operation import Operation as Pending
from sim.iocp_port import Port
from sim.iocp_profile import find_profile
from sim.iocp_socket import Socket
from sim.segments import ESTABLISHED, SYN_SENT

CALLS = frozenset(
    {
        *("socket", "bind", "listen", "shutdown", "close", "create_port", "close_port"),
        *("associate", "skip_on_success", "wsa_recv", "wsa_send", "accept_ex", "connect_ex"),
        *("update_context", "cancel_io_ex", "post", "gqcs"),
    }
)


class IocpPackets(Replay):
    """An attempt's completion kernel, and which of its operations may end."""

    LOOP_CALLS = CALLS

    def __init__(
        self,
        scenario: Scenario,
        records: Sequence[Record],
        bounds: Bounds,
        hints: Collection[Hint],
        profile: str,
    ) -> None:
        super().__init__(scenario, records, hints, "nt")
        self.bounds = bounds
        for life in bounds.opened.values():
            life.rewind()
        self.kernel = SimIocp(self.scheduler, self.network, find_profile(profile))
        self.handles: dict[int, int] = {}  # of the trace: those of the simulation
        self.taken: dict[Port, int] = {}
        self.servers: dict[Port, int] = {}  # how many threads take its packets
        self.packets: dict[Port, list[Operation | None]] = {}
        self.flights: dict[int, Operation] = {}  # by overlapped
        self.buffers: dict[int, bytearray] = {}
        self.posts: list[tuple[int, int, int | None]] = []  # of threads, whose packet is not taken
        self.posted: set[int] = set()  # records of those that were made before them
        self.crowded = False  # several connections may wait at once
        self.closed: set[int] = set()  # numbers of the trace that were closed

    # -- helpers ----------------------------------------------------------------------------------

    def _handle(self, fd: int) -> int:
        return self.handles.get(fd, 0)

    def _sock(self, fd: int) -> Socket | None:
        return self.kernel._sockets.get(self._handle(fd))

    def _state(self, fd: int) -> str:
        sock = self._sock(fd)
        return state_of(None if sock is None else sock.endpoint, f"handle {fd}")

    def _life(self, sock: Socket | None) -> Life | None:
        return None if sock is None else self.life(sock.endpoint)

    def call(self, number: int, record: Record) -> None:
        getattr(self, f"_call_{record[1]}")(*record[2:])
        self._check_order()

    def let(self, held: Held, pressed: bool = False) -> bool:
        done = super().let(held, pressed)
        if done and held.name not in ("_deliver", "_acked", "_fin_acked"):
            self._check_order()
        return done

    def _check_order(self) -> None:
        """The packets that went in are those that the trace has next."""
        for port, packets in self.packets.items():
            if self.servers[port] > 1:
                continue
            taken = self.taken[port]
            for place, packet in enumerate(port.packets, taken):
                if place >= len(packets):
                    break
                operation = packets[place]
                wanted = None if operation is None else operation.overlapped
                if operation is not None and packet.overlapped != wanted:
                    self.must(
                        False,
                        f"packet {place} is that of overlapped {wanted}",
                        f"overlapped {packet.overlapped} ended before it",
                    )

    # -- which operations may end -----------------------------------------------------------------

    def packet_allowed(self, held: Held) -> bool:
        sock: Socket = held.who
        if sock.port is None:
            return True
        name = held.name
        if name == "_end_next":
            operation = self._next(sock, held.args[0][0][0].overlapped)
            if operation is None:
                return False
            reused = operation.status is NtStatus.OBJECT_TYPE_MISMATCH
            self.network.answers["iocp.close_number_reused"] = int(reused)
            reset = operation.kind == "recv" and operation.status is NtStatus.CONNECTION_RESET
            self.network.answers["iocp.close_meets_reset"] = int(reset)
            return sock.endpoint.reset or not reset
        if name == "end_cancelled":
            operation = self._next(sock, held.args[0].overlapped)
            gone = held.args[0] not in sock.pending()
            return gone or (operation is not None and operation.status is NtStatus.CANCELLED)
        return bool(getattr(self, f"_may_{name}")(sock))

    def _next(self, sock: Socket, overlapped: int) -> Operation | None:
        """The operation of the trace, if its packet is the next to go in, and may by now."""
        operation = self.flights.get(overlapped)
        port = sock.port
        if operation is None or port is None or operation.turn is None:
            return None
        pushed = self.taken.get(port, 0) + len(port.packets)
        servers = self.servers.get(port, 1)
        if abs(operation.turn - pushed) >= servers:
            return None
        if servers == 1 and self.clock <= operation.after:
            return None
        return operation

    def _may_pump_receives(self, sock: Socket) -> bool:
        if not sock.receives:
            return True
        operation = self._next(sock, sock.receives[0].overlapped)
        return operation is not None and self._has_for(sock, operation)

    @staticmethod
    def _has_for(sock: Socket, operation: Operation) -> bool:
        """Whether a receive would end now as the trace says."""
        endpoint = sock.endpoint
        if operation.status is SUCCESS:
            wanted = len(operation.data or b"")
            if wanted:
                some = endpoint.inbox_size
                return some == wanted or (some > wanted and wanted == operation.size)
            return not endpoint.inbox_size and sock.receive_end() is not None
        return sock.receive_end() is operation.status

    def _may_pump_sends(self, sock: Socket) -> bool:
        if not sock.sends:
            return True
        operation = self._next(sock, sock.sends[0].overlapped)
        if operation is None:
            return False
        reset = operation.status is NtStatus.CONNECTION_RESET
        self.network.answers["iocp.reset_seen"] = int(reset)
        if sock.receives:
            beside = self.flights.get(sock.receives[0].overlapped)
            taken = beside is not None and beside.status is SUCCESS
            self.network.answers["iocp.reset_taken"] = int(taken)
        if reset:
            return sock.endpoint.state is not ESTABLISHED
        return operation.status is SUCCESS and sock.send_may_end()

    def _may_pump_accepts(self, sock: Socket) -> bool:
        if not sock.accepts or not sock.endpoint.accept_queue:
            return True
        operation = self._next(sock, sock.accepts[0].overlapped)
        if operation is None or operation.status is NtStatus.CANCELLED:
            return False
        child = sock.endpoint.accept_queue[0]
        return child.reset == (operation.status is NtStatus.INVALID_CONNECTION)

    def _may_end_connect(self, sock: Socket) -> bool:
        if sock.connect is None or sock.endpoint.state is SYN_SENT:
            return True
        operation = self._next(sock, sock.connect.overlapped)
        return operation is not None and operation.status is not NtStatus.CANCELLED

    def may_join(self, life: Life, listener: Any) -> bool:
        """One connection at a time, as long as an AcceptEx waits for it."""
        return (
            self.crowded
            or not listener.accept_queue
            or not any(
                sock.accepts for sock in self.kernel._sockets.values() if sock.endpoint is listener
            )
        )

    def may_reset(self, life: Life) -> bool:
        """Not while a receive has its end of file, and only waits for the packet's turn."""
        if not life.reset_allowed():
            return False
        sock = None if life.fd is None else self._sock(life.fd)
        if sock is None or not sock.receives or sock.sends or not sock.endpoint.eof:
            return True
        operation = self.flights.get(sock.receives[0].overlapped)
        if operation is None or operation.data != b"" or not operation.size:
            return True
        return operation.status is not SUCCESS or bool(sock.endpoint.inbox_size)

    def check_quiet(self, held: Held) -> None:
        """An operation that could have ended long ago, and never has its packet."""
        if held.name not in ("pump_receives", "pump_accepts", "end_connect"):
            return
        sock: Socket = held.who
        first: Pending | None = sock.connect
        if held.name == "pump_receives":
            first = sock.receives[0] if sock.receives else None
        elif held.name == "pump_accepts":
            first = sock.accepts[0] if sock.accepts else None
        fd = next((real for real, mine in self.handles.items() if mine == sock.handle), 0)
        if first is None or not self.may_end(sock, held.name):
            return
        self.must(
            False,
            "all is quiet",
            f"overlapped {first.overlapped} would have its packet: {self._state(fd)}",
            self._life(sock),
        )

    @staticmethod
    def may_end(sock: Socket, name: str) -> bool:
        """Whether the network has what the first operation of that kind waits for."""
        endpoint = sock.endpoint
        if name == "pump_receives":
            return bool(endpoint.inbox_size) or sock.receive_end() is not None
        if name == "pump_accepts":
            return bool(endpoint.accept_queue)
        return endpoint.state is not SYN_SENT
