"""What long commands share: interrupts that come between two runs, a line on the terminal."""

from __future__ import annotations

import shutil
import signal
import threading
from types import FrameType
from typing import IO, Any


class Interrupt:
    """Turns Ctrl-C into an interrupt between two runs, within the `with`.

    Python raises KeyboardInterrupt wherever it happens to be: inside a simulated thread, say, or in
    a callback of the garbage collector, which swallows it. So the first one is only noted, and
    raised by `check`, which the campaign calls between runs; a second one is Python's own, for a
    run that does not end.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def check(self) -> None:
        """Raises KeyboardInterrupt if there was one."""
        if self.asked:
            raise KeyboardInterrupt


class StatusLine:
    """One line that is written over and over; silent unless `stream` is a terminal."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.shown = stream.isatty()
        self._width = 0

    def clear(self) -> None:
        """Leaves the line empty, for what comes next."""
        if self._width:
            self.write("")
            self._stream.write("\r")
            self._stream.flush()

    def write(self, text: str) -> None:
        """Shows `text` in place of what was there."""
        if not self.shown:
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        self._stream.write("\r" + text.ljust(self._width))
        self._stream.flush()
        self._width = len(text)
