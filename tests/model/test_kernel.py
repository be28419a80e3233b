"""The kernel contract's own parts: epoll bits, and that kernels have every call of the ports."""

from __future__ import annotations

import select
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import kernel
from model.choices import Choices
from model.kernel import EPOLL_BITS, CompletionKernel, ReadinessKernel, mask_name, mask_of
from model.trace import Trace
from model.traced import TracedCompletion, TracedReadiness
from sim.world import SimWorld

MASKS = st.sets(st.sampled_from(list(EPOLL_BITS.values()))).map(sum)


@given(MASKS)
def test_mask_names(mask: int) -> None:
    assert mask_of(mask_name(mask)) == mask


def test_mask_examples() -> None:
    assert mask_name(kernel.EPOLLIN | kernel.EPOLLRDHUP) == "IN|RDHUP"
    assert mask_name(0) == "0"
    with pytest.raises(KeyError):
        mask_of("IN|NOSUCH")


@pytest.mark.parametrize("name", EPOLL_BITS)
def test_bits_are_the_kernels(name: str) -> None:
    """select.epoll's constants are those of sys/epoll.h."""
    assert getattr(kernel, f"EPOLL{name}") == EPOLL_BITS[name]
    host = getattr(select, f"EPOLL{name}", None)
    assert host in (None, EPOLL_BITS[name])


def calls(port: type) -> set[str]:
    return {name for name, value in vars(port).items() if callable(value) and name[0] != "_"}


def test_simulated_and_traced_kernels_have_every_call() -> None:
    epoll, iocp = SimWorld("epoll", Choices()), SimWorld("iocp", Choices())
    assert epoll.readiness is not None
    assert iocp.completion is not None
    trace = Trace(lambda: 0)
    pairs: list[tuple[type, Any]] = [
        (ReadinessKernel, epoll.readiness),
        (ReadinessKernel, TracedReadiness(epoll.readiness, trace)),
        (CompletionKernel, iocp.completion),
        (CompletionKernel, TracedCompletion(iocp.completion, trace)),
    ]
    for port, made in pairs:
        missing = {name for name in calls(port) if not callable(getattr(made, name, None))}
        assert not missing, f"{type(made).__name__} lacks {sorted(missing)}"
