"""O: the order in which callbacks come.

CONNECTED before anything that needs a connection; data before the end of it; and of several things
that one deferred callback has to tell: CONNECTED, read, write, the rest. What was triggered while
a callback of the same bufferevent runs may wait for the next turn, so only what was waiting before
is judged (`View.unoffered` and `View.untold_write`: 2).
"""

from __future__ import annotations

from model.properties.catalogue import Property
from model.properties.view import Run, View
from model.subject import event_name

PROPERTIES = (
    Property(
        "O-1",
        "CONNECTED comes before any read or write callback and before EOF.",
        "libevent: bufferevent_sock.c:bufferevent_writecb, bufferevent_socket_connect",
        "callbacks of a bufferevent that is connecting, but for those that the application itself"
        " triggered, and the write callback of a kernel that connects at once",
    ),
    Property(
        "O-2",
        "The end of reading (EOF or ERROR) is told only after every byte received before it was"
        " offered.",
        "libevent: bufferevent_sock.c:bufferevent_readcb;"
        " bufferevent.c:bufferevent_run_deferred_callbacks_locked",
        "READING|EOF and READING|ERROR events: input at its low watermark has had its read"
        " callback, if one was set",
    ),
    Property(
        "O-3",
        "A deferred callback tells CONNECTED, then read, then write, then the rest.",
        "libevent: bufferevent.c:bufferevent_run_deferred_callbacks_locked",
        "write and event callbacks of bufferevents whose callbacks are deferred",
    ),
)


def before_connected(run: Run, view: View, index: int, which: str) -> None:
    """A read or write callback, or EOF, of a bufferevent that is still connecting.

    Without an event callback CONNECTED is dropped: then there is nothing to come first.
    """
    if not view.eventcb:
        return
    run.checked["O-1"] += 1
    run.violate("O-1", view.name, index, f"{view.name} got a {which} callback before CONNECTED")


def end_before_data(run: Run, view: View, index: int, what: int, due: bool) -> None:
    """READING|EOF or READING|ERROR: nothing may be waiting for a read callback. `due`: one is."""
    run.checked["O-2"] += 1
    if due or (view.unoffered and not view.deferred):
        run.violate(
            "O-2",
            view.name,
            index,
            f"{view.name} got {event_name(what)} before a read callback for the"
            f" {view.received_count - view.taken} bytes that arrived earlier",
        )


def late_read(run: Run, view: View, index: int, after: str) -> None:
    """A deferred write or event callback while a read callback was due."""
    run.violate(
        "O-3",
        view.name,
        index,
        f"{view.name} got its deferred {after} callback before the read callback that was due",
    )


def late_write(run: Run, view: View, index: int) -> None:
    """A deferred event callback while a write callback was due."""
    run.violate(
        "O-3",
        view.name,
        index,
        f"{view.name} got its deferred event callback before the write callback that was due",
    )
