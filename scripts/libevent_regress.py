"""libevent's own programme of tests, `regress`, run on a build of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REGRESS_S = 900  # it takes two minutes


def regress(tree: Path, environment: Mapping[str, str], log: Path) -> dict[str, Any]:
    """Runs upstream's own tests, without a network beyond loopback where that can be had. How it
    ended, and what it said (`regress_told`); `log` has all of it."""
    command = ["./test/regress"]
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    has_alone = shutil.which("unshare") and subprocess.run([*alone, "true"], capture_output=True)
    if has_alone and has_alone.returncode == 0:
        command = alone + command
    started = time.monotonic()
    with log.open("wb") as told:
        process = subprocess.Popen(
            command,
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        try:
            ended = f"exit code {process.wait(REGRESS_S)}"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            ended = f"ended after {REGRESS_S} s"
    seconds = round(time.monotonic() - started)
    told_by = log.read_text(encoding="utf-8", errors="replace")
    isolated = len(command) > 1
    return {"ended": ended, "seconds": seconds, "own_network": isolated, **regress_told(told_by)}


def regress_told(text: str) -> dict[str, Any]:
    """What regress printed: its tests that failed, that it left out, and its last sum."""
    failed, left_out, last = [], [], ""
    for line in text.splitlines():
        test = re.match(r"\s*([a-z_0-9]+/\w+): ", line)
        last = test[1] if test else last
        if re.match(r"\s+\[\w+ FAILED\]", line):
            failed.append(last)
        elif test and re.search(r"(SKIPPED|DISABLED)$", line):
            left_out.append(last)
    sums = re.findall(r"^.*(?:tests ok|TESTS FAILED)\..*$", text, re.MULTILINE)
    return {"sum": sums[-1] if sums else "none", "failed": failed, "left_out": left_out}
