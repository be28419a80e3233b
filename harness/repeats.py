"""Lines that repeat, told once: a spin writes the same few records thousands of times.

`{"again":2,"times":950}` stands for 950 more copies of the two lines before it.
"""

from __future__ import annotations

from collections.abc import Sequence

PERIOD_MAX = 12  # lines that repeat together
SAVED_LEAST = 32  # lines; fewer are written out
TIMES_MAX = 1 << 24


def folded(lines: Sequence[str]) -> list[str]:
    """The lines, with repetitions told once; the same ones if there are none that are worth it."""
    runs = _runs(lines)
    told: list[str] = []
    place = 0
    while place < len(lines):
        best, period = max((runs[n][place] // n * n, n) for n in range(1, PERIOD_MAX + 1))
        if best < SAVED_LEAST:
            told.append(lines[place])
            place += 1
            continue
        period = min(n for n in range(1, PERIOD_MAX + 1) if runs[n][place] // n * n >= best)
        told += lines[place : place + period]
        times = runs[period][place] // period
        told.append(f'{{"again":{period},"times":{times}}}')
        place += period * (1 + times)
    return told


def _runs(lines: Sequence[str]) -> list[list[int]]:
    """[period][place]: how many lines from there on are the same as those `period` later."""
    runs: list[list[int]] = []
    for period in range(PERIOD_MAX + 1):
        run = [0] * len(lines)
        for place in range(len(lines) - period - 1, -1, -1):
            if period and lines[place] == lines[place + period]:
                run[place] = 1 + (run[place + 1] if place + 1 < len(lines) else 0)
        runs.append(run)
    return runs
