"""Says how many branches of `model/` a coverage report has, since its total mixes them with lines.

`make coverage` runs it on the report of the property tests. Exit code: 0, or 1 if fewer than
`--least` per cent of the branches were taken.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Prints the share of branches and of statements; 1 if too few branches were taken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("report", type=Path, help="what `coverage json` has written")
    parser.add_argument("--least", type=float, default=95.0, help="of the branches, in per cent")
    options = parser.parse_args()
    totals: dict[str, Any] = json.loads(options.report.read_text())["totals"]
    taken, branches = totals["covered_branches"], totals["num_branches"]
    run, statements = totals["covered_lines"], totals["num_statements"]
    share = 100 * taken / branches
    print(f"statements {100 * run / statements:.2f} % ({run} of {statements})")
    print(f"branches   {share:.2f} % ({taken} of {branches}), wanted {options.least:g} %")
    return int(share < options.least)


if __name__ == "__main__":
    sys.exit(main())
