"""C: callbacks come when there is a reason, one at a time, and not after free.

The fast part of C-2 (has the input grown?) is in `model.properties.application`, on the path of
every record; what is here judges the cases that remain, and says what is wrong.
"""

from __future__ import annotations

from model.properties.catalogue import Property
from model.properties.view import Run, View
from model.subject import EV_READ

PROPERTIES = (
    Property(
        "C-1",
        "Bytes accepted after disable(READ) returned cause no read callback, connections accepted"
        " after a listener's disable returned no accept callback.",
        "libevent: bufferevent.c:bufferevent_disable, bufferevent_sock.c:be_socket_disable,"
        " listener.c:evconnlistener_disable",
        "read callbacks after bytes that were received (completion: asked for) while reading was"
        " not enabled; what was scheduled before the disable may still come",
    ),
    Property(
        "C-2",
        "Each read callback has a cause since the previous one (bytes, a trigger, or input at its"
        " high watermark), each write callback too (bytes sent, enable(WRITE), a trigger); the"
        " callbacks of one bufferevent never nest, nor run inside its connect call.",
        "libevent: bufferevent_sock.c:bufferevent_readcb, bufferevent_writecb;"
        " bufferevent.c:bufferevent_run_deferred_callbacks_locked",
        "each callback; one that the application's own trigger calls directly may nest; not the"
        " cause with UNLOCK_CALLBACKS where another thread moves bytes while one is picked",
    ),
    Property(
        "C-4",
        "No callback of a bufferevent or a listener after its free returned.",
        "libevent: bufferevent.c:bufferevent_free, listener.c:evconnlistener_free",
        "callbacks after the free call began, to the trace's end; with UNLOCK_CALLBACKS one that"
        " another thread had picked to run when it was freed may still begin",
    ),
)


def after_free(run: Run, view: View, index: int, which: str) -> None:
    """A callback after free. One that another thread had picked before may still come, where the
    lock is given back for it."""
    if view.unlocked and run.thread != view.freed_by and not view.finishing:
        view.finishing = True
        return
    run.violate("C-4", view.name, index, f"{view.name} got a {which} callback after free()")


def nested(run: Run, view: View, index: int, which: str) -> None:
    """A callback that starts while another of the same bufferevent runs, or inside connect."""
    if view.in_connect:
        message = f"{view.name} got its {which} callback inside its own connect call"
    elif view.direct_triggers > 0:
        view.direct_triggers -= 1
        return
    else:
        message = f"{view.name} got a {which} callback inside another of its callbacks"
    run.violate("C-2", view.name, index, message)


def read_while_disabled(run: Run, view: View, index: int) -> None:
    """A read callback for bytes that should not have been accepted."""
    if view.user_disabled & EV_READ:
        when = "after disable(READ) returned"
    else:
        when = "while reading was not enabled"
    run.violate(
        "C-1",
        view.name,
        index,
        f"{view.name} got a read callback for {view.illicit} new bytes {when}",
    )
    view.illicit = 0


def read_without_growth(run: Run, view: View, index: int) -> None:
    """A read callback, although no bytes arrived since the previous one."""
    if view.unlocked and (run.workers or run.passes - view.crossed_in <= 2):
        return  # the previous one was picked before them, and saw them
    if view.read_credits > 0:
        view.read_credits -= 1
    else:
        run.violate(
            "C-2",
            view.name,
            index,
            f"{view.name} got a read callback though no bytes arrived since the previous one and"
            " nothing triggered it",
        )


def write_without_progress(run: Run, view: View, index: int) -> None:
    """A write callback, although no bytes were sent since the previous one."""
    if view.unlocked and (run.workers or run.passes - view.crossed_out <= 2):
        return
    if view.write_enable_credits > 0:
        view.write_enable_credits -= 1
    elif view.write_credits > 0:
        view.write_credits -= 1
    else:
        run.violate(
            "C-2",
            view.name,
            index,
            f"{view.name} got a write callback though no bytes were sent since the previous one,"
            " writing was not enabled and nothing triggered it",
        )


def accept(run: Run, view: View, index: int, fd: object) -> None:
    """An accept callback: none for connections that were accepted while disabled."""
    run.accepted[view.name] = run.accepted.get(view.name, 0) + 1
    if view.disable_index < 0 or not isinstance(fd, int):
        return
    if run.accept_index.get(fd, -1) > view.disable_index:
        run.violate(
            "C-1",
            view.name,
            index,
            f"{view.name} accepted a connection and called back after its disable() returned",
        )
