"""Puts the actual output of the README's two failing runs into the README: `make readme`.

Each block between its two markers is replaced. The runnable program is left out and long lines are
cut; the block shows where. An exit code other than 1 (a property broke) changes nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
#: marker -> command
COMMANDS = {
    "finding": "duopoll replay findings/timeout-hides-readiness/failure.jsonl",
    "run": "duopoll fuzz --mutant LE-174 --world sim-iocp --runs 150 --seed 3",
}
LINE_MAX = 116
PROGRAM = re.compile(r"^# \S+ in .*?^raise SystemExit.*?\n", re.DOTALL | re.MULTILINE)


def _cut(line: str) -> str:
    return line if len(line) <= LINE_MAX else line[:LINE_MAX] + " [...]"


def _renew(marker: str, command: str) -> int:
    """Runs the command and rewrites its block. Gives the exit code."""
    python = [sys.executable, "-m", "harness", *command.split()[1:]]
    done = subprocess.run(
        python, cwd=README.parent, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 1:
        print(f"{command}: exit code {done.returncode} and not 1: left alone", file=sys.stderr)
        return 1
    output = PROGRAM.sub("[... the scenario as a runnable Python program ...]\n", done.stdout)
    lines = [_cut(line) for line in output.strip().splitlines()]
    block = "\n".join(["```", f"$ {command}", *lines, "```", ""])
    ends = re.compile(rf"(<!-- {marker} -->\n).*(<!-- end of {marker} -->\n)", re.DOTALL)
    text = README.read_text(encoding="utf-8")
    README.write_text(ends.sub(lambda found: found[1] + block + found[2], text), encoding="utf-8")
    return 0


def main() -> int:
    """Renews both. 1 if one could not be."""
    return max(_renew(marker, command) for marker, command in COMMANDS.items())


if __name__ == "__main__":
    sys.exit(main())
