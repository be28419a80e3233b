"""What the command line loads as it starts: nothing that only Linux has."""

from __future__ import annotations

import json
import subprocess
import sys


def test_libevent_is_loaded_by_those_who_ask_for_it() -> None:
    """`duopoll replay` runs where there is no libevent, nor the C library that it needs."""
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import json, sys, harness.cli\n"
            "print(json.dumps([name for name in sys.modules if name.startswith('real.libevent.')]))",
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(told.stdout) == ["real.libevent.named", "real.libevent.mends"]
