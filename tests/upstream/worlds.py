"""Makes tests of cases: one for each world that a case is for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.worlds import why_not
from tests.upstream.rig import Body, play
from tests.upstream.windows import results

READINESS = ("sim-epoll", "epoll")
COMPLETION = ("sim-iocp", "iocp")
EVERYWHERE = ("sim-epoll", "sim-iocp", "epoll", "iocp")


def in_worlds(body: Body, worlds: tuple[str, ...] = EVERYWHERE) -> Callable[[str], None]:
    """A test of a case, parametrised by world."""

    @pytest.mark.parametrize("world", worlds)
    def test(world: str) -> None:
        reason = why_not(world)
        if reason is not None:
            pytest.skip(reason)
        if world == "iocp":
            failure = results(body.__module__).get(body.__name__, "it was not played")
            assert failure is None, failure
        else:
            play(world, body)

    test.__doc__ = body.__doc__
    return test
