"""The constants of the subject: libevent's, as its public headers give them."""

from __future__ import annotations

import pytest

from model import subject

#: event2/event.h, event2/bufferevent.h, event2/listener.h, event2/buffer.h; "BEV_TRIG_DEFER" is
#: BEV_OPT_DEFER_CALLBACKS there
VALUES = {
    "EV_TIMEOUT": 1 << 0,
    "EV_READ": 1 << 1,
    "EV_WRITE": 1 << 2,
    "BEV_EVENT_READING": 1 << 0,
    "BEV_EVENT_WRITING": 1 << 1,
    "BEV_EVENT_EOF": 1 << 4,
    "BEV_EVENT_ERROR": 1 << 5,
    "BEV_EVENT_TIMEOUT": 1 << 6,
    "BEV_EVENT_CONNECTED": 1 << 7,
    "BEV_OPT_CLOSE_ON_FREE": 1 << 0,
    "BEV_OPT_THREADSAFE": 1 << 1,
    "BEV_OPT_DEFER_CALLBACKS": 1 << 2,
    "BEV_OPT_UNLOCK_CALLBACKS": 1 << 3,
    "BEV_TRIG_DEFER_CALLBACKS": 1 << 2,
    "BEV_TRIG_IGNORE_WATERMARKS": 1 << 16,
    "BEV_NORMAL": 0,
    "BEV_FLUSH": 1,
    "BEV_FINISHED": 2,
    "EVLOOP_ONCE": 1 << 0,
    "EVLOOP_NONBLOCK": 1 << 1,
    "EVLOOP_NO_EXIT_ON_EMPTY": 1 << 2,
    "LEV_OPT_LEAVE_SOCKETS_BLOCKING": 1 << 0,
    "LEV_OPT_CLOSE_ON_FREE": 1 << 1,
    "LEV_OPT_CLOSE_ON_EXEC": 1 << 2,
    "LEV_OPT_REUSEABLE": 1 << 3,
    "LEV_OPT_THREADSAFE": 1 << 4,
    "LEV_OPT_DISABLED": 1 << 5,
    "LEV_OPT_DEFERRED_ACCEPT": 1 << 6,
}


@pytest.mark.parametrize("name", VALUES)
def test_value(name: str) -> None:
    assert getattr(subject, name) == VALUES[name]


def test_all_are_in_the_table() -> None:
    prefixes = ("EV_", "BEV_", "LEV_", "EVLOOP_")
    assert {name for name in vars(subject) if name.startswith(prefixes)} == set(VALUES)


def test_names_of_what_an_event_callback_is_told() -> None:
    """One word a bit, in the order of the bits."""
    for name, bit in VALUES.items():
        if name.startswith("BEV_EVENT_"):
            assert subject.event_name(bit) == name.removeprefix("BEV_EVENT_")
    assert subject.event_name(0x11) == "READING|EOF"
    assert subject.event_name(0) == "0"
