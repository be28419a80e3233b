"""libevent with a mend for each finding, of which any may be left out while it runs.

`make libevent-mended` builds it from the distribution's source package, for the subject
`libevent-mended` (real/libevent/mends.py) and `duopoll causes`. A finding's mend is an ed script
for each source file, `findings/NAME/mend/FILE.ed`, whose lines ask `MEND(name)`. All of them are
applied to a copy of the sources in `.cache/libevent-mended/`, where the libraries stay, in `libs`.
Only what changed since the last time is compiled again. Then each finding's failure is played with
its bug alone, where it must fail, and with no bug, where it must not (exit code 1). With
`--regress` libevent's own tests run as well, with the mends and without them: which fail with one
of the two alone is told.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from libevent_regress import regress
from libevent_source import Unbuildable, configure, make, name_of, unpacked

from harness.causes import cause_of
from harness.ed_script import apply
from harness.words import count
from model.errors import UsageError
from real.libevent.mends import MENDS
from real.libevent.named import BUILT_FROM, VARIABLE

ROOT = Path(__file__).resolve().parent.parent
FINDINGS = ROOT / "findings"
CACHE = (ROOT / ".cache" / "libevent-mended").resolve()
HEADER = "duopoll-mends.h"
HOME = "log.c"  # of the switches: the library that all others need has it
CFLAGS = "-O1 -g"
LIBRARIES = ("core", "extra", "openssl", "pthreads")
NONE = "LIBEVENT_NO_MENDS"  # in the environment: none of them is in force


def main() -> int:
    """Builds and asks; 1 for a finding without its own bug for a cause, 2 if it cannot be built."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--jobs", type=int, default=2, help="of make (default: 2)")
    parser.add_argument("--regress", action="store_true", help="run libevent's own tests too")
    options = parser.parse_args()
    try:
        scripts = mends()
        libs = build(scripts, options.jobs)
        shown = libs.relative_to(ROOT) if libs.is_relative_to(ROOT) else libs
        print(f"built: {VARIABLE}={shown} duopoll fuzz --subject libevent-mended --world sim-epoll")
        os.environ[VARIABLE] = str(libs)
        wrong = list(unexplained(list(scripts)))
        if options.regress:
            print("\n".join(regress_lines(libs.resolve().parent, options.jobs)))
    except (Unbuildable, UsageError) as error:
        print(f"libevent-mended: {error}", file=sys.stderr)
        return 2
    for line in wrong:
        print(line)
    print(f"{count(len(scripts), 'mend')}, {count(len(wrong), 'finding')} not explained by its own")
    return 1 if wrong else 0


def unexplained(names: Sequence[str]) -> Iterator[str]:
    """A line for each finding whose failure does not come with its bug and go with the mends."""
    for name in names:
        path = FINDINGS / name / "failure.jsonl"
        if not path.is_file():
            continue  # of threads: no tape decides where they stand
        cause = cause_of(path, names)
        if name not in cause.causes or not cause.explained:
            yield f"{name}: caused by {', '.join(cause.causes) or 'no bug alone'}; {cause.still}"


def regress_lines(tree: Path, jobs: int) -> Iterator[str]:
    """Tests of libevent's own that fail with the mends alone, or without them alone."""
    (tree / "test" / "rpcgen-attempted").touch()  # see libevent_source
    make(tree, jobs, _flags(tree))
    runs = []
    for name, mended in (("with", {}), ("without", {NONE: "1"})):
        told = regress(tree, os.environ | mended, CACHE / f"regress-{name}.log")
        runs.append(set(told["failed"]))
        yield f"regress {name} mends: {told['sum']}"
    yield f"failing with mends alone: {', '.join(sorted(runs[0] - runs[1])) or 'none'}"
    yield f"failing without alone: {', '.join(sorted(runs[1] - runs[0])) or 'none'}"


def mends() -> dict[str, dict[str, str]]:
    """The ed scripts of each finding that has some, by the name of the source file."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(FINDINGS.glob("*/mend/*.ed")):
        found.setdefault(path.parts[-3], {})[path.stem] = path.read_text(encoding="utf-8")
    return found


def build(scripts: Mapping[str, Mapping[str, str]], jobs: int) -> Path:
    """The folder of the libraries with these mends. Raises `Unbuildable` and `UsageError`."""
    tree = unpacked(CACHE, CFLAGS)
    pristine = CACHE / "pristine"
    if not (tree / "Makefile").is_file():
        shutil.rmtree(pristine, ignore_errors=True)
        configure(tree, f"CFLAGS={CFLAGS}")
        pristine.mkdir()
        for path in (*tree.glob("*.c"), *tree.glob("*-internal.h")):
            shutil.copy(path, pristine)
    _compose(tree, pristine, scripts)
    flags = _flags(tree)
    make(tree, jobs, flags, f"libevent_{LIBRARIES[0]}.la")  # the others are linked to it
    make(tree, jobs, flags, *[f"libevent_{name}.la" for name in LIBRARIES[1:]])
    libs = CACHE / "libs"
    libs.unlink(missing_ok=True)
    libs.symlink_to(tree / ".libs")
    told = f"{name_of(tree)}, {len(scripts)} mends\n"
    (libs / BUILT_FROM).write_text(told, encoding="utf-8")
    (libs / MENDS).write_text("\n".join(scripts) + "\n", encoding="utf-8")
    return libs


def _flags(tree: Path) -> str:
    return f"CFLAGS={CFLAGS} -include {(tree / HEADER).resolve()}"


def _compose(tree: Path, pristine: Path, scripts: Mapping[str, Mapping[str, str]]) -> None:
    """Writes the sources that are not as they should be."""
    changed = _write(tree / HEADER, header_of(list(scripts)))
    for path in sorted(pristine.iterdir()):
        source = path.read_text(encoding="utf-8")
        own = {
            f"findings/{name}/mend/{path.name}.ed": files[path.name]
            for name, files in scripts.items()
            if path.name in files
        }
        text = apply(source, own)
        if path.name == HOME:
            text += switches(list(scripts))
        changed |= _write(tree / path.name, text) and path.suffix == ".h"
    sources = {path.name for path in pristine.iterdir()}
    unknown = {file for files in scripts.values() for file in files} - sources
    if unknown:
        raise UsageError(f"mends of {', '.join(sorted(unknown))}: libevent has no such file")
    if changed:  # the build knows nothing of who includes what
        for path in pristine.glob("*.c"):
            (tree / path.name).touch()


def _write(path: Path, text: str) -> bool:
    """Whether the file had to be written."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    path.write_text(text, encoding="utf-8")
    return True


def header_of(names: list[str]) -> str:
    """What every source file includes first: whether a mend is in force."""
    numbers = "".join(f"\tMEND_NR_{name.replace('-', '_')},\n" for name in names)
    return (
        "#ifndef DUOPOLL_MENDS_H\n#define DUOPOLL_MENDS_H\n"
        f"enum {{\n{numbers}\tMEND_NR_END\n}};\n"
        "extern volatile unsigned char event_mends_[];\n"
        "#define MEND(name) (event_mends_[MEND_NR_##name])\n#endif\n"
    )


def switches(names: list[str]) -> str:
    """All mends are in force until somebody says otherwise."""
    on = ", ".join("1" for _ in names) or "0"
    return (
        f"\nvolatile unsigned char event_mends_[] = {{{on}}};\n"
        "__attribute__((constructor)) static void\nevent_mends_init_(void)\n{\n"
        f'\tif (getenv("{NONE}"))\n'
        "\t\tmemset((void *)event_mends_, 0, sizeof(event_mends_));\n}\n"
    )


if __name__ == "__main__":
    raise SystemExit(main())
