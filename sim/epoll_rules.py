"""What the simulated readiness kernel keeps to, rule by rule, with sources.

Letters: FD descriptors, EP epoll instances, EW calls on them, TC connecting, TQ listening,
TM TCP's state as events, TK what wakes the watchers of a TCP socket, TE and TR receiving, TU urgent
data, TS sending, TW windows and space, TX how connections end, UX AF_UNIX, PI pipes, EV eventfds.
Sources are manual pages and files and functions of Linux.

Measured on Linux 6.18 over the loopback (`python -m bench.send_space` measures again, and
harness/cases/epoll_space.jsonl keeps what must hold):

| SO_SNDBUF, SO_RCVBUF | queued / buffer when full | when OUT is back | received when full |
|---|---|---|---|
| 16,384, 16,384 | 1.00 to 1.03 | 0.51 to 0.63 | 24,576 to 25,000 of 32,768 |
| 65,536, 16,384 | 1.03 to 1.06 | 0.58 to 0.62 | 24,576 to 25,000 of 32,768 |
| 65,536, 65,536 | 1.09 to 1.10 | 0.26 to 0.58 | 113,000 to 128,000 of 131,072 |
| 200,000, 200,000 | 1.12 to 1.16 | 0.33 to 0.50 | 362,000 to 397,000 of 400,000 |

A send takes bytes while anything is free and so may go beyond the buffer by a segment; OUT returns
at two thirds (TM1, TW5), but only what was acknowledged counts, in steps of a segment.
"""

from __future__ import annotations

from sim.rules import Rule

_EP = "fs/eventpoll.c, "
_TCP = "net/ipv4/tcp.c, "
_INPUT = "net/ipv4/tcp_input.c, "
_INET = "net/ipv4/af_inet.c, "
_UNIX = "net/unix/af_unix.c, "
_WAIT = "kernel/sched/wait.c, "
_CTL = "epoll_ctl(2); fs/eventpoll.c, do_epoll_ctl"


def _rules(source: str, *rows: tuple[str, str, str]) -> tuple[Rule, ...]:
    """Rows of id, statement and the function, or all of the source when `source` is empty."""
    return tuple([Rule(name, statement, source + where) for name, statement, where in rows])


_FILES = _rules(
    "",
    ("FD1", "ordinary watchers of a file are woken newest first", _WAIT + "add_wait_queue"),
    ("FD2", "exclusive watchers are woken until one woke somebody", _WAIT + "__wake_up_common"),
    ("FD3", "a change of state wakes exclusive watchers all", _WAIT + "wake_up_interruptible_all"),
    ("FD4", "registrations end with the last descriptor of a file", "epoll(7), question 6"),
    ("FD5", "without a free descriptor EMFILE, and an accept queue is left alone", "accept(2)"),
    ("FD6", "a duplicated descriptor is one more reference to the same file", "dup(2)"),
)

_EPOLL = _rules(
    _EP,
    ("EP1", "an item whose one-shot has fired ignores every wake", "ep_poll_callback"),
    ("EP2", "a wake passes only if its key is 0 or has a bit of the interest", "ep_poll_callback"),
    ("EP3", "a wake puts the item at the tail of the ready list", "ep_poll_callback"),
    ("EP4", "a waiter counts as woken for an exclusive item if it can use it", "ep_poll_callback"),
    ("EP5", "the newest blocked waiter is woken, one for an event", "ep_poll (wait queue)"),
    ("EP6", "an epoll tells the epolls around it with IN", "ep_poll_safewake"),
    ("EP7", "an item that has nothing any more is dropped, uncounted", "ep_send_events"),
    ("EP8", "what is reported is true now, not what woke the item", "ep_item_poll"),
    ("EP9", "a level-triggered item goes to the tail again", "ep_send_events"),
    ("EP10", "an edge-triggered or one-shot item leaves the list", "ep_send_events"),
    ("EP11", "a one-shot item keeps its flags and loses all events", "ep_send_events"),
    ("EP12", "a harvest ends at maxevents; the rest stays in order", "ep_send_events"),
    ("EP13", "a harvest that leaves something wakes one more waiter", "ep_done_scan"),
    ("EP14", "an epoll is readable when a harvest would deliver", "__ep_eventpoll_poll"),
    ("EP15", "polling an epoll drops stale items and reports none", "__ep_eventpoll_poll"),
    ("EP28", "MOD of an item on the ready list leaves it in its place", "ep_modify"),
    ("EP29", "ADD and MOD poll once, and link an item that is ready", "ep_insert, ep_modify"),
    ("EP30", "the end of a file ends its items", "eventpoll_release_file"),
    ("EP31", "an item that ends leaves the ready list", "ep_remove"),
    ("EP26", "items are told apart by file and descriptor number", "ep_find"),
    ("EP27", "an exclusive item waits behind all ordinary ones", "ep_ptable_queue_proc"),
) + _rules(
    "",
    ("EP16", "MOD replaces interest and data", _CTL),
    ("EP17", "an epoll cannot watch itself: EINVAL", _CTL),
    ("EP18", "an exclusive item is never modified, none made exclusive: EINVAL", _CTL),
    ("EP19", "EXCLUSIVE goes with IN, OUT, ERR, HUP, WAKEUP, ET, no epoll: EINVAL", _CTL),
    ("EP20", "no cycle of epolls, no chain of more than five: ELOOP", _EP + "ep_loop_check"),
    ("EP21", "the same file and number twice: EEXIST", _CTL),
    ("EP22", "ADD makes an item that always hears ERR and HUP", _CTL),
    ("EP23", "an unknown operation: EINVAL", _CTL),
    ("EP24", "MOD and DEL of what was not added: ENOENT", _CTL),
    ("EP25", "DEL takes the item away at once", _EP + "ep_remove"),
)

_CALLS = _rules(
    "",
    ("EW1", "epoll_ctl of a closed descriptor: EBADF", _CTL),
    ("EW2", "a regular file cannot be watched: EPERM", _CTL),
    ("EW3", "epoll_ctl on what is no epoll: EINVAL", _CTL),
    ("EW4", "epoll_wait on a closed descriptor EBADF, on what is no epoll EINVAL", "epoll_wait(2)"),
    ("EW5", "maxevents of 0 or less: EINVAL, after the descriptor", _EP + "do_epoll_wait"),
    ("EW6", "what is ready is returned at once", "epoll_wait(2)"),
    ("EW7", "a timeout of 0 never blocks", "epoll_wait(2)"),
    ("EW8", "closing an epoll does not end a wait on it", "epoll_wait(2); fs/file_table.c, fput"),
    ("EW9", "a timeout is never early", "epoll_wait(2)"),
    ("EW10", "a waiter that finds nothing waits on", _EP + "ep_poll"),
    ("EW11", "EINTR only when nothing is ready; never restarted", "epoll_wait(2), signal(7)"),
    ("EW12", "nothing until the timeout: an empty list", "epoll_wait(2)"),
    ("EW13", "a null event: EFAULT", "epoll_ctl(2)"),
    ("EW14", "a signal ends poll(2): EINTR", "poll(2)"),
    ("EW15", "poll(2) says what is true now, with ERR and HUP", "poll(2)"),
)

_CONNECTING = _rules(
    _INET,
    ("TC1", "a bound socket cannot be bound again: EINVAL", "__inet_bind"),
    ("TC2", "no peer's name unless connected: ENOTCONN", "inet_getname"),
    ("TC3", "a connected socket has a peer's name", "inet_getname"),
    ("TC4", "connect of a connected or listening socket: EISCONN", "__inet_stream_connect"),
    ("TC5", "connect while connecting: EALREADY", "__inet_stream_connect"),
    ("TC6", "connect after a failure takes the error and starts afresh", "__inet_stream_connect"),
    ("TC7", "the same with the error taken: ECONNABORTED, once", "__inet_stream_connect"),
    ("TC8", "the first connect after the handshake gives success", "__inet_stream_connect"),
    ("TC9", "shutdown settles a connect: success counts as told, failure bars", "inet_shutdown"),
    ("TC10", "a first connect is EINPROGRESS even when refused", "__inet_stream_connect"),
    ("TQ1", "listen of a listener changes the backlog", "__inet_listen_sk"),
    ("TQ2", "listen of a socket in use: EINVAL", "__inet_listen_sk"),
    ("TQ3", "listen makes an empty accept queue", "__inet_listen_sk"),
) + _rules(
    "net/ipv4/inet_connection_sock.c, ",
    ("TQ4", "accept of a socket that does not listen: EINVAL", "inet_csk_accept"),
    ("TQ5", "accept of an empty queue: EAGAIN", "inet_csk_accept"),
    ("TQ6", "accept gives the oldest, reset or not", "inet_csk_accept"),
    ("TQ7", "a backlog of n admits n + 1; more SYNs are dropped, sent again", "tcp_conn_request"),
)

_MASKS = _rules(
    _TCP,
    ("TM1", "established: OUT while a third of the buffer is free, IN with data", "tcp_poll"),
    ("TM2", "over two thirds queued: no OUT, and the socket notes it", "tcp_poll"),
    ("TM3", "listening: IN with a connection in the queue, else nothing", "tcp_poll"),
    ("TM4", "connecting: nothing", "tcp_poll"),
    ("TM5", "HUP in state CLOSE, or with both directions shut", "tcp_poll"),
    ("TM6", "reading shut, by FIN or shutdown: IN and RDHUP", "tcp_poll"),
    ("TM7", "IN from SO_RCVLOWAT bytes on", "tcp_poll, tcp_stream_is_readable"),
    ("TM8", "OUT with writing shut, or with space", "tcp_poll"),
    ("TM9", "PRI while an urgent byte waits", "tcp_poll"),
    ("TM10", "ERR while an error is pending", "tcp_poll"),
)

_WAKES = _rules(
    "",
    ("TK1", "data wakes with IN, from SO_RCVLOWAT on", "net/core/sock.c, sock_def_readable"),
    ("TK2", "a FIN wakes with key 0 and with IN", _INPUT + "tcp_fin"),
    ("TK3", "the acknowledgement of our FIN wakes with key 0", _INPUT + "tcp_rcv_state_process"),
    ("TK4", "an error wakes everyone with key 0 and ERR", "net/core/sock.c, sock_def_error_report"),
    ("TK5", "the end of a connect wakes with key 0", _INPUT + "tcp_finish_connect"),
    ("TK6", "a connection in the queue wakes the listener with IN", _INPUT + "tcp_child_process"),
    ("TK8", "giving up a connection wakes with ERR", _TCP + "tcp_disconnect"),
    ("TK7", "shutdown wakes its own socket with key 0", _INET + "inet_shutdown"),
)

_RECEIVING = _rules(
    _TCP,
    ("TE1", "an error is told once, to whoever asks first", "sock_error"),
    ("TR1", "setting SO_RCVLOWAT wakes a readable socket", "tcp_set_rcvlowat"),
    ("TR2", "received bytes come first, after a FIN and after a reset too", "tcp_recvmsg_locked"),
    ("TR3", "MSG_PEEK takes nothing away", "tcp_recvmsg_locked"),
    ("TR4", "never connected, or connected no more: ENOTCONN", "tcp_recvmsg_locked"),
    ("TR5", "end of file after a FIN, before any error", "tcp_recvmsg_locked"),
    ("TR6", "a pending error, once", "tcp_recvmsg_locked"),
    ("TR7", "end of file after our own shutdown", "tcp_recvmsg_locked"),
    ("TR8", "nothing there: EAGAIN", "tcp_recvmsg_locked"),
    ("TU1", "reading and peeking pass over the urgent byte", "tcp_recvmsg_locked"),
    ("TU2", "no urgent byte, or read before: EINVAL", "tcp_recv_urg"),
    ("TU3", "after a reset: ENOTCONN", "tcp_recv_urg"),
    ("TU4", "the urgent byte is read once", "tcp_recv_urg"),
    ("TU5", "a read stops before the urgent byte", "tcp_recvmsg_locked"),
) + _rules(
    _INPUT,
    ("TU6", "a new mark drops the old urgent byte if it is next", "tcp_check_urg"),
    ("TU7", "an urgent byte wakes as data does", "tcp_urg"),
)

_SENDING = _rules(
    _TCP,
    ("TS1", "send while connecting: EAGAIN", "tcp_sendmsg_locked"),
    ("TS2", "send gives a pending error, once", "sk_stream_error"),
    ("TS3", "send otherwise not possible: EPIPE", "sk_stream_error"),
    ("TS4", "a send of nothing does nothing", "tcp_sendmsg_locked"),
    ("TS5", "as much queued as the buffer holds: EAGAIN, noted", "tcp_sendmsg_locked"),
    ("TS6", "less queued: bytes are taken, even while OUT is not shown", "sk_stream_memory_free"),
    ("TS7", "space that ends within a send gives a short count, noted", "tcp_sendmsg_locked"),
) + _rules(
    "",
    ("TW1", "bytes wait while the receiver has no window", "net/ipv4/tcp_output.c, tcp_write_xmit"),
    ("TW2", "reading after shutdown(RD) offers no window: the sender asks", "tcp_cleanup_rbuf"),
    ("TW3", "half the buffer or all of it read: a new window", "__tcp_select_window"),
    ("TW4", "less read: the window stays as it was offered", "__tcp_select_window"),
    ("TW5", "space wakes with OUT only after somebody saw none", "net/core/stream.c"),
    ("TW6", "space is what was acknowledged", _INPUT + "tcp_clean_rtx_queue"),
    ("TW7", "a receive buffer is doubled, three quarters of it hold bytes", "socket(7); measured"),
)

_ENDING = _rules(
    "",
    ("TX1", "a FIN goes behind everything sent", "net/ipv4/tcp_output.c, tcp_send_fin"),
    ("TX2", "data after close or a full shutdown resets both", _INPUT + "tcp_rcv_state_process"),
    ("TX3", "both FINs gone: state CLOSE", "net/ipv4/tcp_minisocks.c, tcp_time_wait"),
    ("TX4", "a reset of a connect: ECONNREFUSED", _INPUT + "tcp_reset"),
    ("TX5", "a reset after the peer's FIN: EPIPE", _INPUT + "tcp_reset"),
    ("TX6", "a reset otherwise: ECONNRESET", _INPUT + "tcp_reset"),
    ("TX7", "a reset drops what was not transmitted", _TCP + "tcp_write_queue_purge"),
    ("TX8", "shutdown(RD) of a listener ends listening", _INET + "inet_shutdown"),
    ("TX9", "shutdown while connecting gives up, with ECONNRESET", _TCP + "tcp_disconnect"),
    ("TX10", "shutdown in state CLOSE: ENOTCONN, directions shut even so", _INET + "inet_shutdown"),
    ("TX11", "shutdown(RD) shuts reading here and tells nobody", _INET + "inet_shutdown"),
    ("TX12", "shutdown(WR) sends a FIN", _TCP + "tcp_shutdown"),
    ("TX13", "close with unread bytes resets", _TCP + "__tcp_close"),
    ("TX14", "close with SO_LINGER 0 resets", "socket(7); " + _TCP + "__tcp_close"),
    ("TX15", "close otherwise sends a FIN", _TCP + "__tcp_close"),
    ("TX16", "the end of a listener resets what waits in its queue", "inet_csk_listen_stop"),
)

_LOCAL = _rules(
    _UNIX,
    ("UX1", "listening: IN with a connection in the queue, never OUT", "unix_poll"),
    ("UX2", "ERR while an error is pending", "unix_poll"),
    ("UX3", "HUP when not connected, or both directions are shut", "unix_poll"),
    ("UX4", "reading shut: IN and RDHUP", "unix_poll"),
    ("UX5", "IN with data, whatever SO_RCVLOWAT says", "unix_poll"),
    ("UX6", "OUT while three quarters of the buffer are free", "unix_writable"),
    ("UX7", "send without a peer: ENOTCONN", "unix_stream_sendmsg"),
    ("UX8", "send with writing shut, or the peer's reading: EPIPE", "unix_stream_sendmsg"),
    ("UX9", "a packet is charged by its true size", "unix_stream_sendmsg"),
    ("UX10", "every packet wakes the peer with IN", "unix_stream_sendmsg"),
    ("UX11", "a full buffer: EAGAIN", "unix_stream_sendmsg"),
    ("UX12", "recv on what is not connected: EINVAL", "unix_stream_read_generic"),
    ("UX13", "MSG_PEEK takes nothing away", "unix_stream_read_generic"),
    ("UX14", "a packet read in part frees nothing", "unix_stream_read_generic"),
    ("UX15", "a pending error, once, after the data", "unix_stream_read_generic"),
    ("UX16", "end of file with reading shut", "unix_stream_read_generic"),
    ("UX17", "nothing there: EAGAIN", "unix_stream_read_generic"),
    ("UX18", "every packet freed wakes the sender with OUT, asked for or not", "unix_write_space"),
    ("UX19", "shutdown shuts the peer's other direction", "unix_shutdown"),
    ("UX20", "listen without an address, or connected: EINVAL", "unix_listen"),
    ("UX21", "connect to what does not listen: ECONNREFUSED", "unix_stream_connect"),
    ("UX22", "connect to a full queue: EAGAIN, first of all", "unix_stream_connect"),
    ("UX23", "connect of a connected socket: EISCONN", "unix_stream_connect"),
    ("UX24", "connect of a listener: EINVAL", "unix_stream_connect"),
    ("UX25", "a connect is done at once and wakes the listener with IN", "unix_stream_connect"),
    ("UX26", "accept: EINVAL without listening, EAGAIN without a connection", "unix_accept"),
    ("UX27", "close shuts the peer in both directions: HUP", "unix_release_sock"),
    ("UX28", "close with unread data: ECONNRESET for the peer", "unix_release_sock"),
    ("UX29", "close frees the unread packets of the peer", "unix_release_sock"),
    ("UX31", "PRI while an urgent byte waits", "unix_poll"),
    ("UX32", "a read stops before the urgent byte, the next passes over it", "manage_oob"),
    ("UX33", "no urgent byte, or read before: EINVAL", "unix_stream_recv_urg"),
    ("UX30", "the end of a listener ends what waits in its queue", "unix_release_sock"),
)

_OTHERS = _rules(
    "fs/pipe.c, ",
    ("PI1", "HUP for the reader when no writer is left", "pipe_poll"),
    ("PI2", "reading or writing nothing does nothing", "pipe_read, pipe_write"),
    ("PI3", "end of file when no writer is left", "pipe_read"),
    ("PI4", "nothing there: EAGAIN", "pipe_read"),
    ("PI5", "a read that frees a page of a full pipe wakes writers with OUT", "pipe_read"),
    ("PI6", "the end of one side wakes the other", "pipe_release"),
    ("PI7", "ERR for the writer when no reader is left", "pipe_poll"),
    ("PI8", "write without a reader: EPIPE", "pipe_write"),
    ("PI9", "a small write goes to the last page, if it fits whole", "pipe_write"),
    ("PI10", "sixteen pages", "pipe_write; pipe(7)"),
    ("PI11", "every write wakes readers, even one for which there is no room", "pipe_write"),
    ("PI12", "no page left: EAGAIN", "pipe_write"),
) + _rules(
    "fs/eventfd.c, ",
    ("EV1", "IN above 0, OUT while one more fits", "eventfd_poll"),
    ("EV2", "fewer than eight bytes, or the greatest value: EINVAL", "eventfd_read, eventfd_write"),
    ("EV3", "read of 0: EAGAIN", "eventfd_read"),
    ("EV4", "a read sets 0 and wakes writers with OUT", "eventfd_read"),
    ("EV5", "a write that does not fit: EAGAIN", "eventfd_write"),
    ("EV6", "every write wakes readers with IN", "eventfd_write"),
)

RULES = (
    *_FILES,
    *_EPOLL,
    *_CALLS,
    *_CONNECTING,
    *_MASKS,
    *_WAKES,
    *_RECEIVING,
    *_SENDING,
    *_ENDING,
    *_LOCAL,
    *_OTHERS,
)
