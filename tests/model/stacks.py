"""Stacks of filters on a rig's bufferevents, by the names of their functions."""

from __future__ import annotations

from model.filters import FILTERS
from model.layer import Filters
from model.subject import BEV_OPT_CLOSE_ON_FREE, BEV_OPT_DEFER_CALLBACKS
from tests.model.rig import Rig, Spy

CLOSE = BEV_OPT_CLOSE_ON_FREE
DEFER = CLOSE | BEV_OPT_DEFER_CALLBACKS


def made(kind: str) -> Filters:
    """The functions of one end, by name."""
    return FILTERS[kind]()


KINDS = ("copy", "pieces", "double", "zlib", "prepend")


def stacked(rig: Rig, below: Spy, kinds: list[str], options: int = CLOSE) -> Spy:
    """A stack on `below`, bottom up."""
    for kind in kinds:
        below = rig.filter(below, made(kind), options)
    return below
