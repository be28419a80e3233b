"""From a failure to a smaller one: the one place where a campaign calls the shrinker."""

from __future__ import annotations

from harness.failure import decode, encode
from harness.shrinking.failures import shrink_here
from model.errors import DuopollError

SHRINK_S = 10.0  # of one failure


def reduced(data: bytes, same: str, seconds: float = SHRINK_S) -> bytes:
    """A failure file, what counts as the same failure, and a bound on the time: a failure file with
    less in it, or the same one where it does not break again. Files are bytes here, so that any
    executor can carry them."""
    failure = decode(data.split(b"\n"))
    try:
        return encode(shrink_here(failure, seconds=seconds, same=same).failure)
    except DuopollError:  # a real world may not do it again
        return data
