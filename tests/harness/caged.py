"""A cage with subjects of our own: the model, broken in ways that only a process survives."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

from harness import cage
from harness.run import SUBJECTS, SubjectEntry
from model.bases import new_base


def _null() -> None:
    ctypes.string_at(0)


def _spin() -> None:
    while True:
        pass


def _breaking(action: Callable[[], Any]) -> SubjectEntry:
    """The model; the second bufferevent that is made takes its process with it."""

    def base(world: Any) -> Any:
        made = new_base(world)
        make = made.bufferevent_socket_new
        count = 0

        def second_breaks(fd: int | None, options: int) -> Any:
            nonlocal count
            count += 1
            if count == 2:
                action()
            return make(fd, options)

        vars(made)["bufferevent_socket_new"] = second_breaks
        return made

    return SubjectEntry(lambda: "0", base, caged=True)


SUBJECTS["null"] = _breaking(_null)
SUBJECTS["abort"] = _breaking(os.abort)
SUBJECTS["leaves"] = _breaking(lambda: os._exit(3))
SUBJECTS["spins"] = _breaking(_spin)
SUBJECTS["raises"] = _breaking(lambda: 1 // 0)
SUBJECTS["whole"] = _breaking(lambda: None)

if __name__ == "__main__":
    cage.main(sys.argv[1:])
