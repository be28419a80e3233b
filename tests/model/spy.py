"""A bufferevent whose callbacks are written down. Imports no test tools: it runs under Wine too."""

from __future__ import annotations

from collections.abc import Callable

from model.subject import Bufferevent, Failure, event_name

Seen = tuple[str, int | str]
Hook = Callable[["Spy"], None]


class Spy:
    """One end: its bufferevent, and in `seen` its callbacks in order.

    ("read", input length), ("write", output length), ("event", "READING|EOF"). The read callback
    takes everything into `data` unless `on_read` says otherwise.
    """

    def __init__(self, bev: Bufferevent) -> None:
        self.bev = bev
        self.seen: list[Seen] = []
        self.data = bytearray()
        self.errors: list[Failure | None] = []
        self.on_read: Hook = Spy.take
        self.on_write: Hook | None = None
        self.on_event: Hook | None = None
        self.freed = False
        bev.setcb(self._read, self._write, self._event)

    def take(self) -> None:
        """Reads the whole input."""
        self.data += self.bev.read(1 << 30)

    def leave(self) -> None:
        """Reads nothing."""

    def free(self) -> None:
        """Frees the bufferevent, as the application would."""
        self.freed = True
        self.bev.free()

    def events(self) -> list[str]:
        """The event callbacks only."""
        return [str(what) for which, what in self.seen if which == "event"]

    def count(self, which: str) -> int:
        """How many callbacks of a kind there were."""
        return sum(seen[0] == which for seen in self.seen)

    def _read(self, bev: Bufferevent) -> None:
        self._note("read", bev.input_length())
        self.on_read(self)

    def _write(self, bev: Bufferevent) -> None:
        self._note("write", bev.output_length())
        if self.on_write is not None:
            self.on_write(self)

    def _event(self, bev: Bufferevent, what: int) -> None:
        self._note("event", event_name(what))
        self.errors.append(bev.socket_error())
        if self.on_event is not None:
            self.on_event(self)

    def _note(self, which: str, what: int | str) -> None:
        assert not self.freed, f"{which} callback after free"
        self.seen.append((which, what))
