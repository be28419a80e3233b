"""Plays the cases of a module in the world `iocp`, inside a Windows interpreter.

`python -m tests.upstream.windows MODULE` prints one line of JSON a case: its name, and what went
wrong or null. `result` is the other side: it starts that process once a module.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import traceback
from functools import cache

LIMIT_S = 100.0  # of one module, with the start of the interpreter


@cache
def results(module: str) -> dict[str, str | None]:
    """What became of each case of a module: None, or the end of its traceback."""
    from real import wine  # not under Windows

    process = wine.start_interpreter(["-m", __name__, module], cwd=wine.ROOT)
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        output = ""
    finally:
        wine.stop_interpreter(process)
    lines = [line for line in output.splitlines() if line.startswith("[")]
    found = dict(json.loads(line) for line in lines)
    return found or {"": f"the interpreter said: {output[-400:]!r}"}


def main(module: str) -> None:
    """Inside the Windows interpreter."""
    from tests.upstream.rig import play

    for name, body in importlib.import_module(module).CASES.items():
        try:
            play("iocp", body)
            failure = None
        except Exception:
            failure = traceback.format_exc()[-1500:]
        print(json.dumps([name, failure]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
