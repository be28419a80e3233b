"""What records tell, as attributes: to call something for each took a fiftieth of a short run.

The model and a simulated world have these attributes; what is foreign, or real, is asked here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from model.subject import Bufferevent


class Clock(Protocol):
    """`now` is the time in ns."""

    @property
    def now(self) -> int: ...


class AskedClock:
    """The clock of a world that must be asked."""

    __slots__ = ("_now_ns",)

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns

    @property
    def now(self) -> int:
        """In ns."""
        return self._now_ns()


class _Length:
    """That of a buffer of which only the length can be asked, in bytes."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[], int]) -> None:
        self._ask = ask

    @property
    def length(self) -> int:
        return self._ask()


class AskedBufferevent:
    """What a callback's record tells of a foreign bufferevent, under the names of the model's."""

    __slots__ = ("_inner", "input", "output")

    def __init__(self, inner: Bufferevent) -> None:
        self._inner = inner
        self.input = _Length(inner.input_length)
        self.output = _Length(inner.output_length)

    @property
    def enabled(self) -> int:
        """EV_READ, EV_WRITE."""
        return self._inner.get_enabled()
