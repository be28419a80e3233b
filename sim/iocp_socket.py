"""An overlapped socket: its operations in flight, and how the network ends them.

A socket keeps a queue for each direction. The rules are in `sim.iocp_rules`; a mark behind a line
says which rule the line applies.

The endpoint wakes `woken` after every change. While the tape lasts, what an operation waited for
may take a while to become its packet ("iocp.completion_delay"): the wake then only starts a timer,
and the operation can still be cancelled, closed or overtaken by more data.
"""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from model.errors import Errno, NtStatus
from sim.iocp_operation import STATUS_OF_CONNECT, Accept, Connect, Host, Operation, Receive, Send
from sim.iocp_stream import SUCCESS, Stream
from sim.tcp import CLOSED, SYN_SENT, Endpoint

#: an operation that ended with its handle: the bytes, and the status if that is known by then
End: TypeAlias = tuple[Operation, int, NtStatus | None]


class Socket(Stream):
    """An overlapped socket."""

    __slots__ = ()

    def __init__(self, host: Host, handle: int, endpoint: Endpoint) -> None:
        super().__init__(host, handle, endpoint)
        self.attach(endpoint)

    def attach(self, endpoint: Endpoint) -> None:
        """Takes over `endpoint`."""
        self.endpoint = endpoint
        endpoint.watch(self.woken)

    def establish(self, context: bool) -> None:
        """Connected from now on; `context` says whether shutdown and names work already."""
        self.connected = self.receivable = self.sendable = True
        self.context = context or not self.host.profile.context_needed
        self.connect_error = None

    # -- wakes ----------------------------------------------------------------------------------

    def woken(self, _key: int) -> None:
        """The endpoint's watcher: ends what can end, or sets a timer for it."""
        if self.receives and not self.receive_due:
            if self.sends and self.endpoint.reset and self.host.profile.sends_fail_first:
                self.pump_sends()  # rule S8
            if not self.host.network.live:
                self.pump_receives()
            elif self.endpoint.inbox_size or self.receive_end() is not None:
                self.receive_due = True
                self.after(self.host.delay(), self.pump_receives)
        if self.sends and not self.send_due:
            if not self.host.network.live or not self.send_may_end():
                self.pump_sends()
            else:
                self.send_due = True
                self.after(self.host.delay(), self.pump_sends)
        if self.accepts and not self.accepts_due:
            self.accepts_due = True
            self.after(self.host.delay() if self.host.network.live else 0, self.pump_accepts)
        if self.connect is not None and not self.connect_due:
            if self.endpoint.state is SYN_SENT:
                return
            self.connect_due = True
            self.after(self.host.delay() if self.host.network.live else 0, self.end_connect)
        if self.waiting is not None:
            self.host.scheduler.unpark(self.waiting)

    # -- connections ----------------------------------------------------------------------------

    def end_connect(self) -> None:
        """N1: the handshake is over, one way or the other."""
        connect = self.connect
        self.connect_due = False
        if connect is None or self.endpoint.state is SYN_SENT:
            return
        self.connect = None
        error = self.endpoint.error if self.endpoint.state is CLOSED else None
        if error is not None and not self.endpoint.reset:
            self.connect_error = self.endpoint.take_error()
            status = STATUS_OF_CONNECT.get(error, NtStatus.UNSUCCESSFUL)
            self.finish(connect, 0, status)  # rule N2
            return
        self.establish(context=False)
        if connect.data and self.endpoint.plain:
            self.endpoint.write(connect.data)  # rule N6
        self.finish(connect, len(connect.data), SUCCESS)  # rule N1

    def pump_accepts(self) -> None:
        """A1: gives waiting connections to the AcceptEx, oldest first."""
        self.accepts_due = False
        for accept in tuple(self.accepts):
            if accept.child is not None:
                continue
            child = self.endpoint.accept()
            if isinstance(child, Errno):
                return
            accept.child = child
            if self.host.aborts is not None and self.host.aborts(self.handle):
                self._end_accept(accept, child, 0, NtStatus.CONNECTION_RESET)
            elif accept.buffer is None or not len(accept.buffer):
                self._end_accept(accept, child, 0, SUCCESS)  # rule A1
            else:
                if self.host.profile.accept_connects_early:
                    self._connect_acceptor(accept.acceptor, child)  # rule A7
                child.watch(partial(self._first_data, accept))  # called before the acceptor
                self._first_data(accept)

    def _first_data(self, accept: Accept, _key: int = 0) -> None:
        """A1: an AcceptEx with a buffer looks at its connection."""
        child = accept.child
        if child is None or accept not in self.accepts:
            return
        if child.inbox_size and accept.buffer is not None:
            data = child.recv(len(accept.buffer))
            if isinstance(data, bytes):
                accept.buffer[: len(data)] = data
                self._end_accept(accept, child, len(data), SUCCESS)  # rule A2
        elif child.reset:
            self._end_accept(accept, child, 0, NtStatus.CONNECTION_RESET)  # rule A4
        elif child.eof:
            self._end_accept(accept, child, 0, SUCCESS)  # rule A3

    def accept_now(self, accept: Accept) -> None:
        """An AcceptEx that ends in its call; there is a connection, and no other AcceptEx waits."""
        child = self.endpoint.accept()
        self.accepts.append(accept)
        if not isinstance(child, Errno):
            self._end_accept(accept, child, 0, SUCCESS, self.skip)

    def _end_accept(
        self, accept: Accept, child: Endpoint, nbytes: int, status: NtStatus, silent: bool = False
    ) -> None:
        self.accepts.remove(accept)
        accept.acceptor.accepting = None
        self._keep_connection(accept, child, status is SUCCESS)
        if child.reset and status is SUCCESS and self.host.profile.accept_of_reset_fails:
            nbytes, status = 0, NtStatus.INVALID_CONNECTION  # rule A8
        self.finish(accept, nbytes, status, silent)

    def _connect_acceptor(self, acceptor: Socket, child: Endpoint) -> None:
        """The acceptor is connected from now on."""
        if self.host.profile.context_needed:
            child.sndbuf = acceptor.endpoint.sndbuf  # rule K3
        acceptor.endpoint.close()
        acceptor.attach(child)
        acceptor.establish(context=False)

    def _keep_connection(self, accept: Accept, child: Endpoint, succeeded: bool) -> None:
        """What an AcceptEx that ends makes of its connection."""
        child.watchers = ()
        acceptor = accept.acceptor
        if acceptor.endpoint is child:
            acceptor.attach(child)  # rule A7
        elif succeeded:
            self._connect_acceptor(acceptor, child)
        else:
            child.close(linger_zero=True)

    # -- cancel and close -----------------------------------------------------------------------

    def pending(self) -> list[Operation]:
        """All operations in flight; oldest first within a kind."""
        operations: list[Operation] = [*self.receives, *self.sends, *self.accepts, *self.idle]
        if self.connect is not None:
            operations.append(self.connect)
        return operations

    def cancel(self, operation: Operation) -> None:
        """Marks `operation`: its packet is CANCELLED, unless it ends before that.

        "iocp.cancel_loses": the cancel came too late for an operation that could end now.
        """
        network = self.host.network
        if operation.marked:
            return
        if network.live:
            if self._may_win(operation) and network.draw("iocp.cancel_loses", 2):
                return
            delay = self.host.delay()
            if delay:
                operation.marked = True
                self.host.scheduler.call_later(delay, partial(self.end_cancelled, operation))
                return
        self.end_cancelled(operation)

    def _may_win(self, operation: Operation) -> bool:
        """Whether `operation` could end by itself now, so that a cancel may come too late."""
        if operation in self.idle:
            return False
        if isinstance(operation, Receive):
            return self.endpoint.inbox_size > 0 or self.receive_end() is not None
        if isinstance(operation, Accept):
            return bool(operation.child or self.endpoint.accept_queue)
        return True

    def end_cancelled(self, operation: Operation) -> None:
        """Ends `operation` with CANCELLED, if it has not ended."""
        if operation not in self.pending():
            return
        self.forget(operation)
        if isinstance(operation, Send):
            self.fail_send(operation, NtStatus.CANCELLED)
            if self.sends and not self.send_due:
                self.pump_sends()
        else:
            if isinstance(operation, Connect):
                self.renew()
            self.finish(operation, 0, NtStatus.CANCELLED)  # rule C1

    def renew(self) -> None:
        """A fresh endpoint in place of the old one, with its local port."""
        old = self.endpoint
        old.close(linger_zero=True)
        fresh = Endpoint(self.host.network)
        fresh.local_port = old.local_port
        self.connected = self.receivable = self.sendable = False
        self.attach(fresh)

    def forget(self, operation: Operation) -> None:
        """Takes `operation` out of its queue."""
        if operation in self.idle:
            self.idle = tuple(each for each in self.idle if each is not operation)
        elif isinstance(operation, Receive):
            self.receives.remove(operation)
        elif isinstance(operation, Send):
            self.sends.remove(operation)
        elif isinstance(operation, Accept):
            self.accepts.remove(operation)
            operation.acceptor.accepting = None
            if operation.child is not None:
                self._keep_connection(operation, operation.child, succeeded=False)
        else:
            self.connect = None

    def close(self, linger_zero: bool = False) -> None:
        """closesocket: every pending operation fails with one packet, some time later."""
        host = self.host
        unsent = any(send.written < send.size or self.endpoint.queued for send in self.sends)
        aborts = unsent and host.profile.close_aborts_sends
        if self.accepting is not None:
            listener, accept = self.accepting
            listener.end_cancelled(accept)  # rule X3
        stays = any(isinstance(each, Send) for each in self.idle)
        if stays:
            self.idle = ()  # rule X6
        ends = self._ends_at_close()
        if ends:
            self._end_later(ends)
        if stays:
            return  # rule X6
        if linger_zero:
            self.endpoint.close(linger_zero=True)  # rule X5
        elif aborts:
            self.endpoint.close(linger_zero=True)  # rule X4
        else:
            self.endpoint.close()

    def _ends_at_close(self) -> list[End]:
        """What is pending when the handle is closed, and how it ends.

        A receive or an AcceptEx that could end by now may have done so, its packet on its way
        ("iocp.close_loses"); what was cancelled before stays so.
        """
        ends = [self._ended_receive(receive) for receive in tuple(self.receives)]
        ends += [self._ended_accept(accept) for accept in tuple(self.accepts)]
        operations = self.pending()
        if self.host.profile.sends_fail_first:
            operations.sort(key=lambda operation: not isinstance(operation, Send))
        known = {end[0].serial: end for end in ends if end is not None}
        for operation in operations:
            self.forget(operation)
            if operation.marked:
                known.setdefault(operation.serial, (operation, 0, NtStatus.CANCELLED))
        return [known.get(each.serial, (each, 0, None)) for each in operations]

    def _ended_receive(self, receive: Receive) -> End | None:
        """The end of a receive that has come before the close, if that is drawn."""
        endpoint = self.endpoint
        network = self.host.network
        end = SUCCESS if endpoint.inbox_size else self.receive_end()
        if not network.live or receive.marked or end is None:
            return None
        if not network.draw("iocp.close_loses", 2):
            return None
        return receive, self.fill(receive.buffer, receive.peek), end

    def _ended_accept(self, accept: Accept) -> End | None:
        """The same for an AcceptEx that need not wait for data."""
        network = self.host.network
        waits = accept.marked or accept.child is not None or accept.buffer is not None
        if waits or not network.live or not self.endpoint.accept_queue:
            return None
        if not network.draw("iocp.close_loses", 2):
            return None
        child = self.endpoint.accept()
        if isinstance(child, Errno):
            return None
        self._keep_connection(accept, child, succeeded=True)
        if self.host.profile.accept_connects_early and network.draw("iocp.close_takes", 2):
            return accept, 0, NtStatus.CANCELLED
        return accept, 0, SUCCESS

    def _end_later(self, ends: list[End]) -> None:
        """The packets after closesocket, one after the other: a dequeue may come between two."""
        host = self.host
        self.after(host.delay() if host.network.live else 0, partial(self._end_next, ends))

    def _end_next(self, ends: list[End]) -> None:
        """One packet after closesocket: CANCELLED for connections, else the profile's status."""
        operation, nbytes, status = ends.pop(0)
        silent = isinstance(operation, Send) and operation.silent
        if status is None and isinstance(operation, Accept | Connect):
            status = NtStatus.CANCELLED  # rule X2
        elif status is None and isinstance(operation, Send):
            status = self._close_send_status()  # rule X1
        elif status is None:
            status = self._close_receive_status()  # rule X1
        self.finish(operation, nbytes, status, silent)
        if ends:
            self._end_later(ends)  # rule X7

    def _close_receive_status(self) -> NtStatus:
        """Wine 8 may keep a closed connection until its sends have ended, and meet a reset."""
        status = self.host.profile.close_status
        network = self.host.network
        if status is NtStatus.HANDLES_CLOSED and network.live and self.endpoint.reset:
            if network.draw("iocp.close_meets_reset", 2):
                return NtStatus.CONNECTION_RESET
        return status

    def _close_send_status(self) -> NtStatus:
        """Wine 8 looks for the handle, whose number may be something else's by then."""
        status = self.host.profile.close_send_status
        network = self.host.network
        if status is NtStatus.INVALID_HANDLE and network.live:
            if network.draw("iocp.close_number_reused", 2):
                return NtStatus.OBJECT_TYPE_MISMATCH
        return status
