"""TLS on a descriptor of its own: what the kernel moves is not what the application gets.

The kernel's records are of a second view, the *transport*, which nobody judges by itself: it counts
what was encrypted, takes all that comes and lies below the view of the TLS. What the engine says of
it (`model.properties.tls`) is judged as of TLS over another bufferevent. Not judged are rates:
OpenSSL reads a record's header and then the rest of it, whatever there are tokens for.
"""

from __future__ import annotations

from model.kernel import EPOLLIN, EPOLLOUT
from model.properties import tls
from model.properties.view import Run, View
from model.subject import (
    BEV_EVENT_ERROR,
    BEV_EVENT_READING,
    BEV_EVENT_WRITING,
    EV_READ,
    EV_WRITE,
)
from model.tls import TlsResult


class Transport(View):
    """A descriptor under TLS. What comes is taken by the engine, and what the engine gives is sent
    at once, or was not given."""

    __slots__ = ()

    encrypted = True

    @property
    def taken(self) -> int:  # a count that is derived
        return self.received_count

    @taken.setter
    def taken(self, _: int) -> None:
        """It follows."""

    @property
    def written(self) -> int:  # the same
        return self.sent

    @written.setter
    def written(self, _: int) -> None:
        """It follows."""


def begin(run: Run, view: View, time: int) -> None:
    """`new` of TLS on a descriptor, which may come later."""
    below = Transport(view.name, run.completion, time)
    below.enabled = EV_READ | EV_WRITE
    below.readcb = below.writecb = below.eventcb = False
    view.below, below.above = below, view


def mover(view: View) -> View:
    """Whose the kernel's records are: `view`, or what lies below it."""
    return view.below if isinstance(view.below, Transport) else view


def attach(run: Run, view: View, fd: int) -> None:
    """Its descriptor is known."""
    view.fd = fd
    moving = mover(view)
    moving.fd = fd
    run.by_fd[fd] = moving


def failed(run: Run, view: View, index: int, what: int, error: object) -> None:
    """An operation of the kernel failed. Of a subject whose engine has the descriptor (libevent's)
    the engine tells, except that a connect fails without it."""
    above = view.above
    if not view.encrypted or above is None:
        return
    if view.dead:
        above.errors.append(error)  # over completion it may be told or not, once one was
        return
    if not run.foreign or not what & (BEV_EVENT_READING | BEV_EVENT_WRITING):
        tls.told_from_below(above, index, what | BEV_EVENT_ERROR, error)


def connected_at_once(run: Run, view: View) -> None:
    """The kernel's connect did: libevent's triggers a write callback then, before CONNECTED."""
    above = view.above
    if view.encrypted and run.foreign and above is not None:
        above.immediate = above.write_ok = True
        above.write_credits += 1


def judge(run: Run, view: View, index: int) -> None:
    """When quiet, over readiness: what it waits for it has asked the kernel for."""
    below, state = view.below, view.tls
    if not isinstance(below, Transport) or run.completion or view.fd is None or below.closed:
        return
    if state is None or not _stands(view, below):
        return
    if state.state == "failed" or state.over or state.stopped:
        return
    if run.foreign and view.failed:
        return  # of a connect that failed libevent has told, and its engine was not asked
    mask = run.interest.get(view.fd, 0)
    if state.state == "shaking":
        stands = not run.foreign or view.enabled == EV_READ | EV_WRITE  # else libevent stops it
        if stands and not mask & (EPOLLIN | EPOLLOUT):
            _idle(run, view, index, "E-1", "is in its handshake")
        return
    if may_read(view):
        run.checked["W-3"] += 1
        blocked = state.last is TlsResult.SSL_ERROR_WANT_WRITE and mask & EPOLLOUT
        if not (mask & EPOLLIN or blocked):
            _idle(run, view, index, "W-3", "may read")
    if view.enabled & EV_WRITE and view.written > view.sent:
        run.checked["L-4"] += 1
        blocked = state.last is TlsResult.SSL_ERROR_WANT_READ and mask & EPOLLIN
        if not (mask & EPOLLOUT or blocked):
            _idle(run, view, index, "L-4", "has output and may write")


def _stands(view: View, below: View) -> bool:
    """Whether the kernel's connection does, as far as is known."""
    return not below.broken and not below.eof_seen and view.connect_result in (0, None)


def may_read(view: View) -> bool:
    """READ is enabled, nothing suspends it, and the input is below its high watermark."""
    if not view.enabled & EV_READ or view.suspended:
        return False
    return not view.high or view.received_count - view.taken < view.high


def _idle(run: Run, view: View, index: int, name: str, what: str) -> None:
    run.violate(name, view.name, index, f"{view.name} {what}, and asks the kernel for nothing")
