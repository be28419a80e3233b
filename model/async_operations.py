"""The three operations of an asynchronous bufferevent, each used for one submission at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.operation import Operation

if TYPE_CHECKING:
    from model.bufferevent_async import AsyncBufferevent


class ReadOperation(Operation):
    """WSARecv into the bufferevent's read buffer."""

    __slots__ = ("bev",)

    def __init__(self, bev: AsyncBufferevent) -> None:
        super().__init__(bev.poller)
        self.bev = bev

    def complete(self) -> None:
        self.bev.on_read(self.status, self.nbytes)


class WriteOperation(Operation):
    """WSASend of the output's head."""

    __slots__ = ("bev",)

    def __init__(self, bev: AsyncBufferevent) -> None:
        super().__init__(bev.poller)
        self.bev = bev

    def complete(self) -> None:
        self.bev.on_written(self.status, self.nbytes)


class ConnectOperation(Operation):
    """ConnectEx."""

    __slots__ = ("bev",)

    def __init__(self, bev: AsyncBufferevent) -> None:
        super().__init__(bev.poller)
        self.bev = bev

    def complete(self) -> None:
        self.bev.on_connected(self.status)
