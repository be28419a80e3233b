"""Renews docs/failure.png: the page of the README's failure, as a headless Chromium draws it.

Usage: python scripts/failure_picture.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAILURE = ROOT / "findings" / "timeout-hides-readiness" / "failure.jsonl"
PICTURE = ROOT / "docs" / "failure.png"
SIZE = "1240,800"
BYTES_MAX = 200 << 10
TIMEOUT_S = 60


def main() -> int:
    """Makes the page and draws it. Gives the exit code."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("chromium is not installed: see scripts/system-packages.sh", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "failure.html"
        export = [sys.executable, "-m", "harness", "export", str(FAILURE), "--out", str(page)]
        subprocess.run(export, cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
        flags = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run")
        more = ("disable-background-networking", "disable-component-update", "disable-sync")
        values = (f"user-data-dir={folder}/profile", f"window-size={SIZE}", "hide-scrollbars")
        arguments = [f"--{each}" for each in (*flags, *more, *values, f"screenshot={PICTURE}")]
        PICTURE.parent.mkdir(exist_ok=True)
        subprocess.run(
            [chromium, *arguments, page.as_uri()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=TIMEOUT_S,
        )
    size = PICTURE.stat().st_size
    print(f"{PICTURE.relative_to(ROOT)}: {size} bytes")
    return 0 if size <= BYTES_MAX else 1


if __name__ == "__main__":
    raise SystemExit(main())
