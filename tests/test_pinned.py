"""Pinned runs come to what they came to. `tests.pins` says what that means."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from model.mutants import MUTANTS
from tests.pins import FOLDER, came_to, load, plays_here

FILES = sorted(FOLDER.glob("*.jsonl"))


def test_there_are_pins_of_every_mutant_and_of_the_healthy_model() -> None:
    """X- mutants show only when runs are compared."""
    pinned = Counter(
        pin.mutant for path in FILES for pin in load(path) if pin.came_to["violations"]
    )
    alone = {name for name, mutant in MUTANTS.items() if not mutant.breaks.startswith("X-")}
    assert alone <= set(pinned)
    assert None not in pinned, "a healthy run that broke is a regression, not a pin"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_was_pinned_stays(path: Path) -> None:
    changed = []
    for number, pin in enumerate(load(path), 1):
        if not plays_here(pin.scenario):
            continue
        # as it stands in a file: tuples are lists there
        now = json.loads(json.dumps(came_to(pin)))
        if now != pin.came_to:
            fields = sorted(name for name in now if now[name] != pin.came_to.get(name))
            changed.append(f"{path.name}:{number} ({pin.mutant or 'healthy'}): {', '.join(fields)}")
    assert not changed, f"{len(changed)} runs changed; if that is meant: make pins\n" + "\n".join(
        changed[:20]
    )
