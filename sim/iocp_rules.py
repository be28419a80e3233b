"""What the simulated completion kernel keeps to, rule by rule, with sources.

Letters: P ports, H handles, U submissions, R receives, S sends, A AcceptEx, N ConnectEx,
K contexts, C cancels, X closing, D DisconnectEx, T threads, O results, B plain calls, M memory.
Where NT and Wine 8 differ the rule says NT first; the switch is in `sim.iocp_profile`.
"""

from __future__ import annotations

from sim.rules import Rule

_PORTS = "Microsoft, I/O Completion Ports"
_GQCS = "Microsoft, GetQueuedCompletionStatus"
_GQCSEX = "Microsoft, GetQueuedCompletionStatusEx"
_CREATE = "Microsoft, CreateIoCompletionPort"
_MODES = "Microsoft, SetFileCompletionNotificationModes"
_RECV = "Microsoft, WSARecv"
_SEND = "Microsoft, WSASend"
_ACCEPT = "Microsoft, AcceptEx"
_CONNECT = "Microsoft, ConnectEx"
_CANCEL = "Microsoft, CancelIoEx"
_DISCONNECT = "Microsoft, DisconnectEx"
_SHUTDOWN = "Microsoft, shutdown"
_TESTS = "Wine, dlls/ws2_32/tests/sock.c"
_CLOSE = "Wine, dlls/ws2_32/tests/sock.c, and server/sock.c, sock_close_handle"
_AFD = "Wine, dlls/ws2_32/tests/afd.c"
_SCALABLE = "Microsoft, Write scalable Winsock apps using completion ports (MSDN, October 2000)"
_OBSERVED = "observed on Wine 8.0; inferred for NT"


def _rules(*rows: tuple[str, str, str]) -> tuple[Rule, ...]:
    return tuple([Rule(*row) for row in rows])


RULES = (
    *_rules(
        ("P1", "a packet goes to the port that its socket has when the operation ends", _TESTS),
        ("P2", "packets leave a port in the order in which they came", _PORTS),
        ("P3", "a dequeue takes what there is, at most what was asked, and never waits", _GQCSEX),
        ("P4", "a dequeue that found nothing in its time gives WAIT_TIMEOUT", _GQCS),
        ("P5", "of the waiting threads the newest gets the packet; the oldest on Wine 8", _PORTS),
        ("P6", "a packet that finds a waiter is its own: no other thread can take it", _PORTS),
        ("P7", "no waiter is released while as many threads run as the port allows", _PORTS),
        ("P8", "a running thread that blocks or ends makes room for a waiter", _PORTS),
        ("P9", "a running thread that comes back takes the next packet at once", _PORTS),
        ("P10", "CloseHandle ends waits with ERROR_ABANDONED_WAIT_0; not on Wine 8", _GQCS),
        ("P11", "CloseHandle drops the packets that are queued", _PORTS),
        (
            "P12",
            "PostQueuedCompletionStatus queues any key, count and overlapped as a success",
            "Microsoft, PostQueuedCompletionStatus",
        ),
    ),
    *_rules(
        ("H1", "a handle has one port and one key for life: ERROR_INVALID_PARAMETER", _CREATE),
        (
            "H2",
            "INVALID_HANDLE_VALUE cannot be tied to a port: ERROR_INVALID_PARAMETER",
            "Wine, dlls/ntdll/tests/file.c",
        ),
        ("H3", "a call on a closed socket gives WSAENOTSOCK", "Microsoft, closesocket"),
        ("H4", "a call on a closed port gives ERROR_INVALID_HANDLE", _GQCS),
        (
            "H5",
            "getpeername of a socket without a peer gives WSAENOTCONN",
            "Microsoft, getpeername",
        ),
        ("H6", "a bound socket cannot be bound again: WSAEINVAL", "Microsoft, bind"),
    ),
    *_rules(
        ("U1", "an operation that succeeds at once queues its packet all the same", _MODES),
        ("U2", "unless the handle skips packets on success", _MODES),
        ("U3", "a submission that fails at once queues no packet", _TESTS),
        ("U4", "an event with its low bit set: no packet", _GQCS),
        ("U5", "an operation that pends has status PENDING from its submission", _TESTS),
        ("U6", "no receive or send without a connection: WSAENOTCONN (Wine 8: send 10054)", _RECV),
        (
            "U8",
            "Wine 8: a receive or send on a listening socket pends; no connection ends it",
            _OBSERVED,
        ),
        ("U7", "no receive or send after our own shutdown: WSAESHUTDOWN", _SHUTDOWN),
    ),
    *_rules(
        (
            "R1",
            "receives end with at least one byte, the oldest first with the oldest data",
            _TESTS,
        ),
        ("R2", "a zero-byte receive ends when there is data, and takes none", _TESTS),
        ("R3", "end of file ends all pending receives with success and 0 bytes", _RECV),
        ("R4", "a reset fails all pending receives with CONNECTION_RESET", _TESTS),
        ("R5", "MSG_PEEK leaves the data", _RECV),
        ("R6", "a receive that finds data, or end of file, ends in its call", _TESTS),
        ("R7", "after a reset a receive fails at once; on Wine 8 it is end of file", _TESTS),
        ("R8", "a receive without data pends", _RECV),
        ("R9", "Wine 8: a receive after a refused connect is end of file", _OBSERVED),
    ),
    *_rules(
        ("S1", "sends end whole or fail; the next one starts when the one before has ended", _SEND),
        (
            "S2",
            "a send without room ends when all is acknowledged; Wine 8: when all is taken",
            _TESTS,
        ),
        ("S3", "the FIN of shutdown goes behind the pending sends", _SHUTDOWN),
        ("S4", "a send that finds room ends in its call", _SEND),
        (
            "S5",
            "NT: a send is taken whole while less than SO_SNDBUF is buffered; Wine 8: what fits",
            "Wine, server/sock.c, sock_send (comment); inferred",
        ),
        ("S6", "a reset fails all pending sends with CONNECTION_RESET", _TESTS),
        ("S7", "after a reset a send fails at once with WSAECONNRESET", _TESTS),
        ("S9", "Wine 8: a send never ends that pends when a reset follows the FIN", _OBSERVED),
        (
            "S10",
            "SO_SNDBUF is what may be buffered; 0: no send is copied (Wine 8: Linux's least)",
            "Microsoft, Design issues: sending small data segments over TCP with Winsock",
        ),
        ("S8", "the packets of one reset: Wine 8 has the oldest send first", _OBSERVED),
    ),
    *_rules(
        ("A1", "AcceptEx of a listener take connections in order of submission", _TESTS),
        ("A2", "with a buffer they end with the connection's first data", _ACCEPT),
        ("A3", "or with its end of file", _OBSERVED),
        ("A4", "or with its reset, as CONNECTION_RESET", _OBSERVED),
        ("A5", "a socket can be the acceptor of one AcceptEx at a time: WSAEINVAL", _TESTS),
        ("A7", "Wine 8: the acceptor is connected while AcceptEx waits for first data", _OBSERVED),
        ("A8", "Wine 8: AcceptEx of a connection that was reset before it fails", _OBSERVED),
        ("A6", "AcceptEx needs a listener and a fresh acceptor: WSAEINVAL; not on Wine 8", _TESTS),
    ),
    *_rules(
        ("N1", "a ConnectEx ends when the handshake does", _CONNECT),
        ("N2", "a refused ConnectEx fails with CONNECTION_REFUSED", _TESTS),
        ("N3", "ConnectEx needs a bound socket: WSAEINVAL", _TESTS),
        ("N4", "ConnectEx needs an unconnected socket: WSAEISCONN", _TESTS),
        ("N5", "a socket may try again after a refusal; WSAECONNABORTED on Wine 8", _OBSERVED),
        ("N6", "the first data of a ConnectEx is sent, and counted", _CONNECT),
        ("K1", "names and shutdown need SO_UPDATE_*_CONTEXT: WSAENOTCONN; not on Wine 8", _ACCEPT),
        ("K3", "an acceptor has the listener's options only after its context update", _ACCEPT),
        ("K2", "SO_UPDATE_ACCEPT_CONTEXT and SO_UPDATE_CONNECT_CONTEXT give it", _ACCEPT),
    ),
    *_rules(
        ("C1", "a cancelled operation ends with CANCELLED, unless it ends before", _CANCEL),
        ("C2", "nothing to cancel: ERROR_NOT_FOUND; for a whole handle not on Wine 8", _CANCEL),
        (
            "C3",
            "CancelIoEx of a handle cancels in order of submission; Wine 8: reversed",
            _OBSERVED,
        ),
        (
            "C4",
            "CancelIo cancels the calling thread's operations, and is content with none",
            _CANCEL,
        ),
        ("C5", "a send that fails counts 0 bytes; Wine 8: those that TCP took", _OBSERVED),
        ("X1", "closesocket fails what is pending: CONNECTION_ABORTED, other on Wine 8", _TESTS),
        (
            "X2",
            "closing a listener cancels its AcceptEx, a connecting socket its ConnectEx",
            _CLOSE,
        ),
        ("X3", "closing an acceptor cancels its AcceptEx", _TESTS),
        ("X4", "closesocket with sends pending resets; Wine 8 delivers what was taken", _OBSERVED),
        (
            "X6",
            "Wine 8: a listening socket with a send pending goes on listening when it is closed",
            _OBSERVED,
        ),
        ("X5", "SO_LINGER with time 0 makes closesocket a reset", "Microsoft, closesocket"),
        ("X7", "its packets need not come all at once: a dequeue may find some of them", _OBSERVED),
    ),
    *_rules(
        ("D1", "DisconnectEx sends FIN and queues a packet", _DISCONNECT),
        ("D2", "without an overlapped it ends in the call, and queues none", _TESTS),
        ("D3", "its packet comes in spite of skip-on-success; not on Wine 8", _TESTS),
        ("D4", "DisconnectEx needs a connection: WSAENOTCONN", _TESTS),
        ("D5", "TF_REUSE_SOCKET makes the handle as new; not on Wine 8", _DISCONNECT),
        ("T1", "a thread's end cancels its operations on sockets without a port", _AFD),
        ("T2", "those on sockets with a port go on", _AFD),
        ("O1", "WSAGetOverlappedResult gives the status's Winsock name", _TESTS),
        ("O2", "GetOverlappedResult and the dequeue give its Win32 name", _TESTS),
        ("O3", "SO_ERROR stays 0, also after a reset", _TESTS),
        ("O4", "but it tells a failed connect, once; Wine 8: always", "Microsoft, getsockopt"),
    ),
    *_rules(
        ("B1", "shutdown of an unconnected socket gives WSAENOTCONN", _SHUTDOWN),
        ("B2", "a plain receive without data blocks, or gives WSAEWOULDBLOCK", "Microsoft, recv"),
        ("B3", "a plain send is whole: NT takes none of it where there is no room", _TESTS),
        ("B4", "a plain connect to nobody gives WSAECONNREFUSED", "Microsoft, connect"),
        (
            "B6",
            "a connect that would block gives WSAEWOULDBLOCK, and goes on",
            "Microsoft, connect",
        ),
        ("B5", "a plain accept without a connection blocks, or gives WSAEWOULDBLOCK", _ACCEPT),
    ),
    *_rules(
        ("M1", "a receive that pends has the pages of its buffer locked until it ends", _SCALABLE),
        ("M2", "a zero-byte receive locks nothing", _SCALABLE),
        ("M3", "a receive that ends in its call locks nothing: inferred", _SCALABLE),
        (
            "M4",
            "a send that finds room is copied; the copy takes memory until it is acknowledged",
            "Microsoft, Design issues: sending small data segments over TCP with Winsock",
        ),
        (
            "M5",
            "a send that is not copied, as all with SO_SNDBUF 0, has its pages locked till it ends",
            _SCALABLE,
        ),
        ("M6", "what has no memory fails with WSAENOBUFS in its call; not on Wine 8", _SEND),
        ("M7", "AcceptEx has its buffer and addresses locked, a page at least: inferred", _ACCEPT),
    ),
)
