"""What a scenario does about rates: on the lowest bufferevent of an end, which a kernel moves.

A limit of a layer would never be charged (libevent: bufferevent_filter.c has no code for it). TLS
on a descriptor of its own has no bufferevent below it, and these steps are not done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from model.rate_limit import SSIZE_MAX, RateLimitConfig, token_bucket_cfg_new
from model.subject import Bufferevent

if TYPE_CHECKING:
    from harness.live import Live


def _bottom(end: Live) -> Bufferevent:
    bev = end.bev or end.known
    assert bev is not None
    return end.lower[0] if end.lower else bev


def _set_rate_limit(end: Live, *limits: int) -> None:
    cfg = token_bucket_cfg_new(*limits)
    if cfg is not None:
        _bottom(end).set_rate_limit(cfg)


def _clear_rate_limit(end: Live) -> None:
    _bottom(end).set_rate_limit(None)


def _join_group(end: Live, number: int) -> None:
    group = end.driver.groups.get(number)
    if group is not None:
        _bottom(end).add_to_rate_limit_group(group)


def _leave_group(end: Live) -> None:
    _bottom(end).remove_from_rate_limit_group()


def _set_group_limit(end: Live, number: int, *limits: int) -> None:
    cfg: RateLimitConfig | None = token_bucket_cfg_new(*limits)
    group = end.driver.groups.get(number)
    if cfg is not None and group is not None:
        group.set_cfg(cfg)


def _decrement_read(end: Live, size: int) -> None:
    if _bottom(end).get_read_limit() != SSIZE_MAX:
        _bottom(end).decrement_read_limit(size)


def _decrement_write(end: Live, size: int) -> None:
    if _bottom(end).get_write_limit() != SSIZE_MAX:
        _bottom(end).decrement_write_limit(size)


def _set_max_single(end: Live, read: int, write: int) -> None:
    _bottom(end).set_max_single_read(read)
    _bottom(end).set_max_single_write(write)


def _of_sockets(act: Callable[..., None]) -> Callable[..., None]:
    def done(end: Live, *args: int) -> None:
        if end.transport != "tls":
            act(end, *args)

    return done


_ACTS: dict[str, Callable[..., None]] = {
    "set_rate_limit": _set_rate_limit,
    "clear_rate_limit": _clear_rate_limit,
    "join_group": _join_group,
    "leave_group": _leave_group,
    "set_group_limit": _set_group_limit,
    "decrement_read": _decrement_read,
    "decrement_write": _decrement_write,
    "set_max_single": _set_max_single,
}
RATE_ACTS = {name: _of_sockets(act) for name, act in _ACTS.items()}
