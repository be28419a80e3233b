"""What tests of libevent as a subject need: the library, or one reason why they are skipped."""

from __future__ import annotations

import os

import pytest

from harness.cage import shared
from model.errors import DuopollError


def why_not() -> str | None:
    """None where libevent runs as a subject. With CI=true it must."""
    try:
        shared("libevent").version("libevent")
    except DuopollError as error:
        if os.environ.get("CI") == "true":
            raise
        return str(error)
    return None


_WHY_NOT = why_not()
needs_libevent = pytest.mark.skipif(_WHY_NOT is not None, reason=_WHY_NOT or "")
