"""One turn of one contender, in this process: `python -m bench.child MODULE:FUNCTION [INTEGER...]`.

Prints `{"value": figure}`, or `{"missing": reason}` where the contender cannot run. Imports only
the standard library before the contender's own module, and runs on Windows as well.
"""

from __future__ import annotations

import importlib
import json
import sys

from bench.missing import Missing


def main(arguments: list[str]) -> int:
    module_name, _, function_name = arguments[0].partition(":")
    try:
        contender = getattr(importlib.import_module(module_name), function_name)
        result = {"value": contender(*map(int, arguments[1:]))}
    except Missing as missing:
        result = {"missing": str(missing)}
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
