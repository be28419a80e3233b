"""What a contender raises where it cannot run; the message is one line with the remedy."""

from __future__ import annotations


class Missing(Exception):
    """A contender needs something that this machine does not have."""
