"""What a kind of bufferevent does below the common half (bufferevent-internal.h)."""

from __future__ import annotations

from model.errors import SimulatorError


class Transport:
    """What `model.bufferevent.Bufferevent` asks of the kinds of bufferevents."""

    __slots__ = ()

    def _start(self, mask: int) -> int:
        """be_enable: these directions run from now on (or again: it re-arms their timers)."""
        raise SimulatorError(f"{type(self).__name__} does not say how it starts")

    def _stop(self, mask: int) -> int:
        """be_disable."""
        raise SimulatorError(f"{type(self).__name__} does not say how it stops")

    def _output_changed(self, added: int, deleted: int) -> None:
        """The application changed the output."""
        raise SimulatorError(f"{type(self).__name__} does not look at its output")

    def _adjust_timeouts(self) -> None:
        """be_adj_timeouts: the timeouts were set."""

    def _cancel_all(self) -> None:
        """BEV_CTRL_CANCEL_ALL, at free."""

    def _unlink(self) -> None:
        """be_unlink and the removal of its events: the last reference is gone."""

    def finalize(self) -> None:
        """be_destruct, from the loop: closes the descriptor if that was asked for."""
