"""Programs that some tests of views need: on a path, or a skip with its reason."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(*names: str) -> list[str]:
    """Where the programs are. Without one the test skips; with CI=true it fails."""
    found = {name: shutil.which(name) for name in names}
    missing = [name for name, path in found.items() if path is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"CI=true needs {', '.join(missing)}: run scripts/system-packages.sh")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: see scripts/system-packages.sh")
    return [path for path in found.values() if path is not None]
