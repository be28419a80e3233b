"""The distribution's libevent, built from its source package: with gcc's counters of branches, or
with the mends of the findings.

apt fetches the package in the version that is installed, from the mirrors that the system has; its
lists and caches are folders of our own, so nothing of the system's changes, and no root is needed.
Everything is kept below the folder given, and a build that was made there, in this way, is used
again.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from real.libevent.library import PACKAGE, SONAME
from real.libevent.named import BUILT_FROM

SOURCE = "libevent"
TOOLS = ("apt-get", "dpkg-source", "gcc", "make")
SYSTEM_LISTS = Path("/etc/apt")
#: -O0: an optimiser merges and splits branches. Each library needs all of libgcov: nothing in them
#: calls what writes the counters, and what another library has writes the other's.
CFLAGS = "--coverage -O0 -g"
LDFLAGS = "--coverage -Wl,--whole-archive,-lgcov,--no-whole-archive"
#: the package's patches make the generated files look old, which need autoconf and its kin to be
#: made again; what the patches change in them is told to make here: libraries name what they need
MAKE = (
    *("AUTOCONF=:", "AUTOMAKE=:", "ACLOCAL=:", "AUTOHEADER=:"),
    *("NO_UNDEFINED=-no-undefined", "MAYBE_CORE=libevent_core.la"),
)


class Unbuildable(Exception):
    """What is missing, and the remedy, in one line."""


def built(folder: Path, jobs: int) -> Path:
    """The tree of a libevent below `folder` that counts branches. Raises `Unbuildable`."""
    tree = unpacked(folder, f"{CFLAGS}\n{LDFLAGS}", ("gcov",))
    done = tree / ".libs" / BUILT_FROM
    if not done.is_file():
        _build(tree, jobs)
        done.write_text(f"{name_of(tree)} with gcov\n", encoding="utf-8")
    return tree


def unpacked(folder: Path, recipe: str, tools: Sequence[str] = ()) -> Path:
    """The tree of the source package below `folder`: a fresh one unless it was unpacked for this
    recipe. Raises `Unbuildable`."""
    missing = [tool for tool in (*TOOLS, *tools) if shutil.which(tool) is None]
    if missing:
        raise Unbuildable(
            f"{', '.join(missing)} not found: install dpkg-dev, gcc and make, on Debian or Ubuntu"
        )
    version = _installed()
    tree = folder / f"{SOURCE}-{version or 'newest'}"
    recipe = "\n".join((str(tree), recipe, *MAKE, ""))
    noted = tree / "recipe"
    if not (noted.is_file() and noted.read_text(encoding="utf-8") == recipe):
        shutil.rmtree(tree, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        _unpack(folder, version, tree)
        noted.write_text(recipe, encoding="utf-8")
    return tree


def name_of(tree: Path) -> str:
    """`libevent 2.1.12-stable-8`: the package that a tree is of."""
    return tree.name.replace("-", " ", 1).replace("newest", "source package")


def _installed() -> str:
    """The source version of the installed library; empty if there is none."""
    command = ["dpkg-query", "-W", "-f", "${source:Version}", PACKAGE]
    asked = subprocess.run(command, capture_output=True, text=True)
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _unpack(folder: Path, version: str, tree: Path) -> None:
    """Fetches the source package and unpacks it as `tree`."""
    download = folder / "download"
    shutil.rmtree(download, ignore_errors=True)
    for needed in ("lists/partial", "cache/archives/partial"):
        (download / needed).mkdir(parents=True)
    # The extension says which of the two forms of sources.list(5) it is.
    stanzas, lines = "\n\n".join(_source_stanzas()), "\n".join(_source_lines())
    (download / "ours.sources").write_text(stanzas + "\n", encoding="utf-8")
    (download / "ours.list").write_text(lines + "\n", encoding="utf-8")
    if not stanzas and not lines:
        raise Unbuildable(f"no Debian or Ubuntu mirror in {SYSTEM_LISTS}: add one for apt-get")
    options = [
        *("-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={download}"),
        *(
            "-o",
            f"Dir::State::lists={download / 'lists'}",
            "-o",
            f"Dir::Cache={download / 'cache'}",
        ),
        *("-o", "APT::Sandbox::User=", "-qq"),
    ]
    package = f"{SOURCE}={version}" if version else SOURCE
    _run(["apt-get", *options, "update"], download, "the mirrors' lists of source packages")
    _run(
        ["apt-get", *options, "source", "--download-only", package],
        download,
        f"source package {package} (does the mirror have sources of this version?)",
    )
    described = sorted(download.glob("*.dsc"))
    if not described:
        raise Unbuildable(f"apt-get source {package} gave no .dsc in {download}: try it by hand")
    _run(["dpkg-source", "-x", str(described[0]), str(tree)], download, "unpacking")


def _source_stanzas() -> Iterator[str]:
    """The system's mirrors in *.sources, asked for sources."""
    for path in sorted(SYSTEM_LISTS.glob("sources.list.d/*.sources")):
        text = re.sub(r"(?m)^#.*\n?", "", path.read_text(encoding="utf-8"))
        for stanza in re.split(r"\n\s*\n", text):
            if _is_distribution(" ".join(re.findall(r"(?m)^URIs:(.*)$", stanza))):
                yield re.sub(r"(?m)^Types:.*$", "Types: deb-src", stanza.strip())


def _source_lines() -> Iterator[str]:
    """The system's mirrors in sources.list and *.list, asked for sources."""
    for path in (SYSTEM_LISTS / "sources.list", *SYSTEM_LISTS.glob("sources.list.d/*.list")):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("deb ") and _is_distribution(line):
                yield "deb-src " + line.removeprefix("deb ")


def _is_distribution(text: str) -> bool:
    """Whether an address in it is of Debian's or Ubuntu's archive, and not somebody else's."""
    return re.search(r"/(debian|debian-security|ubuntu)/?(\s|$)", text) is not None


def _build(tree: Path, jobs: int) -> None:
    """The shared libraries and the regress programme."""
    configure(tree, f"CFLAGS={CFLAGS}", f"LDFLAGS={LDFLAGS}")
    # The release has what rpcgen makes; whether it can be made again is no question here.
    (tree / "test" / "rpcgen-attempted").touch()
    make(tree, jobs)
    wanted = (tree / ".libs" / SONAME, tree / "test" / "regress")
    missing = [str(path) for path in wanted if not path.exists()]
    if missing:
        raise Unbuildable(f"the build made no {missing[0]}: see {tree / 'make.log'}")


def configure(tree: Path, *flags: str) -> None:
    """As the libraries here are built: shared, and without the samples. Raises `Unbuildable`."""
    options = ["--disable-static", "--disable-dependency-tracking", "--disable-samples"]
    _run(["./configure", *options, *flags], tree, "configuring")


def make(tree: Path, jobs: int, *arguments: str) -> None:
    """make(1) of targets or variables. Raises `Unbuildable`."""
    _run(["make", f"-j{jobs}", *MAKE, *arguments], tree, "building")


def _run(command: Sequence[str], folder: Path, what: str) -> None:
    """Raises `Unbuildable` with the last line that a failing command printed."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("w", encoding="utf-8") as told:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=subprocess.STDOUT,
            env=os.environ | {"LC_ALL": "C"},
        )
    if done.returncode != 0:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        raise Unbuildable(f"{what} failed: {last.strip()[:200]} (see {log})")
