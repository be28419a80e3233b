"""B: bytes arrive as they were sent, and nothing else does.

Contents are compared after the run, since a peer's thread may write its `send` record after the
bufferevent's record of receiving the same bytes. Lengths are compared in every callback: what a
buffer holds is what went in less what came out.

A send of a raw peer that failed, or that was still blocked when the run ended, gave an unknown
number of bytes to its kernel: beyond what its records show, what arrives is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from model.properties import layered_stream
from model.properties.catalogue import Property
from model.properties.view import Peer, Run, View

PROPERTIES = (
    Property(
        "B-1",
        "The bytes that the application takes from the input are the bytes that the other end"
        " sent, in order, none lost, doubled or invented.",
        "libevent: buffer.c:evbuffer_read, buffer_iocp.c:evbuffer_commit_read_",
        "input lengths in every callback; contents of reads, of what the kernel delivered and of"
        " what a raw peer sent after the run",
    ),
    Property(
        "B-2",
        "The bytes that write accepts reach the other end in order; all of them, when the output"
        " emptied before an orderly close.",
        "libevent: buffer.c:evbuffer_write_atmost, buffer_iocp.c:evbuffer_commit_write_",
        "output lengths in every callback; contents at the other end after the run; completeness"
        " where the other end read to an end of file and nothing failed",
    ),
    Property(
        "B-3",
        "The application cannot append to the input nor drain the output of a socket bufferevent"
        " while it has a descriptor; once setfd(-1) took it away, it can.",
        "libevent: bufferevent_sock.c:bufferevent_socket_new (evbuffer_freeze), be_socket_setfd",
        "each drain of the output (completion: only that it is not refused without a descriptor);"
        " unit tests for the input",
    ),
    Property(
        "B-4",
        "An evbuffer behaves as a string of bytes, and its callbacks report each change exactly.",
        "libevent: buffer.c:evbuffer_invoke_callbacks_",
        "a stateful test of the evbuffer against bytes: a trace does not show its callbacks",
        checked_by="tests",
    ),
)


def check_input(run: Run, view: View, index: int, shown: int) -> None:
    """The input's length in a callback is not what arrived less what was taken."""
    missing = view.received_count - view.taken - shown
    if missing > 0 and view.completion:
        # What has ended is processed in turn, in the next pass at the latest; what another thread
        # than the loop's has recorded, whenever that thread goes on.
        if missing <= view.fresh_in and run.passes - view.fresh_in_pass <= 2:
            if run.workers:  # another callback will follow for them
                view.read_credits, view.read_ok = 1, True
            return
    held = "lost" if missing > 0 else "invented"
    run.violate(
        "B-1",
        view.name,
        index,
        f"{view.name} holds {shown} bytes of input where {view.received_count} arrived and"
        f" {view.taken} were taken: {abs(missing)} {held}",
    )


def check_output(run: Run, view: View, index: int, shown: int) -> None:
    """The output's length in a callback is not what was written less what was sent."""
    surplus = shown - (view.written - view.sent)
    if surplus > 0 and view.completion:
        if surplus <= view.fresh_out and run.passes - view.fresh_out_pass <= 2:
            if run.workers:
                view.write_credits, view.write_ok = 1, True
            return
    run.violate(
        "B-2",
        view.name,
        index,
        f"{view.name} holds {shown} bytes of output where {view.written} were written and"
        f" {view.sent} were sent",
    )


def check_drain(run: Run, view: View, index: int, result: object) -> None:
    """B-3: a drain of the output that was refused or not."""
    refused = result == -1
    if view.fd is None and view.given_up and refused:
        problem = "was refused, though setfd(-1) has given its descriptor up"
    elif view.fd is not None and not (view.completion or refused):
        problem = "was accepted, though the library may be sending it"
    else:
        return
    run.violate("B-3", view.name, index, f"a drain of the output of {view.name} {problem}")


def judge(run: Run) -> None:
    """Compares contents, when the whole trace is known."""
    layered_stream.judge(run)
    arrived: dict[str, bytes] = {}
    for name, view in run.views.items():
        if not view.is_listener:
            arrived[name] = b"".join(view.received)
    for name, peer in run.peers.items():
        arrived.setdefault(name, b"".join(peer.received))
    for name, view in run.views.items():
        if view.is_listener or view.generic:
            continue
        data = arrived[name]
        if data:
            _judge_reads(run, view, data)
        other = run.other_end(name)
        if other is None:
            continue
        if view.outgoing:
            _judge_output(run, view, other, data, arrived[other.name])
        if data and isinstance(other, Peer):
            _judge_peer(run, view, other, data)


def _judge_reads(run: Run, view: View, data: bytes) -> None:
    run.checked["B-1"] += 1
    for place, taken, index in view.reads:
        if not data.startswith(taken, place):
            end = place + len(taken)
            good = _agreement(data[place:end], taken)
            run.violate(
                "B-1",
                view.name,
                index,
                f"{view.name} read {len(taken)} bytes that are not what arrived: they differ from"
                f" byte {place + good} of its stream on",
            )
            return


def _judge_peer(run: Run, view: View, peer: Peer, data: bytes) -> None:
    sent = b"".join(peer.outgoing)
    size = min(len(sent), len(data))
    if data[:size] != sent[:size]:
        run.violate(
            "B-1",
            view.name,
            -1,
            f"{view.name} received bytes that {peer.name} did not send: they differ from byte"
            f" {_agreement(sent, data)} of its stream on",
        )


def _judge_output(run: Run, view: View, other: View | Peer, data: bytes, arrived: bytes) -> None:
    name = view.name
    written = b"".join(_written(view, data))
    run.checked["B-2"] += 1
    if not written.startswith(arrived) and not (run.cut and arrived.startswith(written)):
        run.violate(
            "B-2",
            name,
            -1,
            f"{other.name} received {len(arrived)} bytes of {name} that are not what {name} wrote:"
            f" they differ from byte {_agreement(written, arrived)} of {len(written)} on",
        )
    elif len(arrived) < view.sent == view.written and orderly(view, other):
        run.violate(
            "B-2",
            name,
            -1,
            f"{other.name} read to the end of file and got {len(arrived)} of the {view.sent} bytes"
            f" that {name} wrote and sent",
        )


def _written(view: View, data: bytes) -> Iterator[bytes]:
    for item in view.outgoing:
        if isinstance(item, bytes):
            yield item
        else:
            place, size = item
            yield data[place : place + size]


def orderly(view: View, other: View | Peer) -> bool:
    """Whether nothing failed, and nothing was left unread that would turn a close into a reset.

    A send that took the error of a reset leaves end of file for the next recv (tcp(7)): that is no
    orderly end either.
    """
    if view.errors or view.failed or view.broken or view.received_count < _given(other):
        return False
    if isinstance(other, Peer):
        return other.eof and not (other.reset or other.broken)
    return other.eof_seen and not (
        other.errors or other.broken or (other.dead and other.completion)
    )


def _given(end: View | Peer) -> int:
    return end.given if isinstance(end, Peer) else end.sent


def _agreement(first: bytes, second: bytes) -> int:
    """How many leading bytes agree."""
    for index, (left, right) in enumerate(zip(first, second, strict=False)):
        if left != right:
            return index
    return min(len(first), len(second))
