"""What the command line loads as it starts: nothing that only Linux has."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import json, sys, harness.cli
print(json.dumps([name for name in sys.modules if name.startswith("real.libevent.")]))
"""


def test_libevent_is_loaded_by_those_who_ask_for_it() -> None:
    """`duopoll replay` runs where there is neither libevent nor the C library under it."""
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, check=True, timeout=60
    )
    assert json.loads(told.stdout) == ["real.libevent.named", "real.libevent.mends"]
