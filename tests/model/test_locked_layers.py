"""Who has a lock, and whose: bufferevent_enable_locking_."""

from __future__ import annotations

from typing import Any

import pytest

from harness.tls import SslEngine
from model.bases import new_base
from model.choices import Choices
from model.filters import FILTERS
from model.locked import has_lock
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_THREADSAFE, EVLOOP_NONBLOCK
from model.tls import SslState
from sim.world import SimWorld

CLOSE = BEV_OPT_CLOSE_ON_FREE
SAFE = CLOSE | BEV_OPT_THREADSAFE


def _layer(base: Any, kind: str, below: Any, options: int) -> Any:
    if kind == "filter":
        return base.bufferevent_filter_new(below, FILTERS["copy"](), options)
    engine = SslEngine(False, "1.3")
    return base.bufferevent_ssl_filter_new(below, engine, SslState.CONNECTING, options)


def _bottoms(base: Any, kind: str, options: int) -> list[Any]:
    if kind == "pair":
        return list(base.bufferevent_pair_new(options))
    if kind == "tls":
        engine = SslEngine(False, "1.3")
        return [base.bufferevent_ssl_socket_new(None, engine, SslState.CONNECTING, options)]
    return [base.bufferevent_socket_new(None, options)]


@pytest.mark.parametrize("safe_above", [False, True])
@pytest.mark.parametrize("safe_below", [False, True])
@pytest.mark.parametrize("above", ["filter", "ssl"])
@pytest.mark.parametrize("below", ["socket", "pair", "tls"])
@pytest.mark.parametrize("kind", ["epoll", "iocp"])
def test_a_stack_has_the_lock_of_its_bottom(
    kind: str, below: str, above: str, safe_below: bool, safe_above: bool
) -> None:
    """Both ends of a pair have one lock; a layer has that of what is below it, a lock of its own
    where there is none and it asks for one, and none otherwise. Over completion a socket always has
    one (bufferevent_async_new_)."""
    options = SAFE if safe_below else CLOSE
    safe_below |= kind == "iocp" and below != "pair"
    world = SimWorld("epoll" if kind == "epoll" else "iocp", Choices(()))

    def main() -> None:
        base: Any = new_base(world, world.threads)
        bottoms = _bottoms(base, below, options)
        assert [has_lock(each) for each in bottoms] == [safe_below] * len(bottoms)
        if safe_below:
            assert len({id(each.lock) for each in bottoms}) == 1
        top = _layer(base, above, bottoms[0], SAFE if safe_above else CLOSE)
        assert has_lock(top) == (safe_below or safe_above)
        if safe_below:
            assert top.lock is bottoms[0].lock
            assert top.shared == bottoms[0].shared
        for each in (top, *bottoms[1:]):
            each.free()
        base.loop(EVLOOP_NONBLOCK)
        assert base.free() == 0

    world.run(main)
