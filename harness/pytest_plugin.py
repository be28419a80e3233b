"""The pytest plugin: scenarios in tests, failure files as test items. Inert unless it is asked.

pytest loads it in every project of an environment that has duopoll, so it costs nothing until then:
what runs scenarios is imported when the fixture `duopoll` is used or `--duopoll-replay` is given.

- `--duopoll-replay FILE` replays a failure file as a test item (instead of the configured
  `testpaths`; beside what the command line names). It fails while a property breaks.
- The fixture `duopoll` (`harness.pytest_runs.Duopoll`) runs a scenario in worlds and fails the test
  with the story of what broke; under Hypothesis it feeds `event` and `target`.
- A failing test keeps the failure file in `--duopoll-out`, has the story as a section of its report
  and the file as a property, which junit-xml writes out; the terminal's summary has the sum.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.pytest_runs import Duopoll, Runs

RUNS, FAILURE, REPLAY = "duopoll_runs", "duopoll_failure", "duopoll_replay"  # names of properties
CURRENT = pytest.StashKey[pytest.Item]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("duopoll")
    group.addoption(
        "--duopoll-replay",
        action="append",
        default=[],
        metavar="FILE",
        help="replay a failure file as a test; repeatable",
    )
    group.addoption(
        "--duopoll-out",
        default="failures",
        metavar="DIR",
        help="folder of the failure files of tests (default: failures)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Who asks for replays and names no tests gets the replays alone."""
    by_hand = config.args_source is pytest.Config.ArgsSource.ARGS
    if config.getoption("--duopoll-replay") and not by_hand:
        config.args = []


def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Adds an item for each file."""
    for file in session.config.getoption("--duopoll-replay"):
        path = Path(file)
        if not path.is_file():
            raise pytest.UsageError(f"--duopoll-replay {file}: is no file: name a failure file")
        collected = ReplayFile.from_parent(session, path=path.resolve())
        items.extend(collected.collect())


class ReplayFile(pytest.File):
    """A failure file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its one item."""
        yield ReplayItem.from_parent(self, name="replay")


class Broken(Exception):
    """A replay in which a property broke: the message is all that there is to show."""


class ReplayItem(pytest.Item):
    """The replay of a file."""

    def runtest(self) -> None:
        """Passes if no property breaks. Raises `Broken`."""
        from harness.pytest_runs import replay_failure
        from model.errors import WorldUnavailable

        try:
            told = replay_failure(self.path)
        except WorldUnavailable as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(error))
        self.user_properties.append((RUNS, f"{told.world}={told.runs}"))
        if told.broken is not None:
            self.user_properties.append((FAILURE, str(self.path)))
            self.user_properties.append((REPLAY, told.command))
            raise Broken(told.message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The story of what broke; of anything else the traceback."""
        if isinstance(excinfo.value, Broken):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is from."""
        return self.path, None, f"duopoll replay {self.path.name}"


@pytest.fixture(scope="session")
def duopoll(pytestconfig: pytest.Config) -> Duopoll:
    """Runs scenarios: `duopoll.run(scenario)` gives the outcomes, or fails the test."""
    from harness.pytest_runs import Duopoll

    return Duopoll(lambda: pytestconfig.stash[CURRENT])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notes whose runs the fixture's are: it lives longer, since Hypothesis asks it many times."""
    if "duopoll" in getattr(item, "fixturenames", ()):
        item.config.stash[CURRENT] = item


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Puts what the fixture did into the report."""
    if call.when == "call" and "duopoll" in getattr(item, "fixturenames", ()):
        from harness.pytest_runs import runs_of

        runs = runs_of(item)
        if runs is not None:
            _report(item, runs, failed=call.excinfo is not None)
    return (yield)


def _report(item: pytest.Item, runs: Runs, failed: bool) -> None:
    counted = " ".join(f"{world}={number}" for world, number in sorted(runs.worlds.items()))
    item.user_properties.append((RUNS, counted))
    if failed and runs.failure is not None:
        path, command, blocks = runs.keep(item.config.getoption("--duopoll-out"))
        item.user_properties.append((FAILURE, path))
        item.user_properties.append((REPLAY, command))
        item.add_report_section("call", "duopoll", blocks)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A section, if anything was run: how often, where, what broke and how to see it again."""
    worlds: Counter[str] = Counter()
    commands = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            called = getattr(report, "when", None) == "call"  # that of the teardown says it again
            for name, value in report.user_properties if called else ():
                if name == RUNS:
                    counts = (each.split("=") for each in str(value).split())
                    worlds.update({world: int(number) for world, number in counts})
                elif name == REPLAY and str(value) not in commands:
                    commands.append(str(value))
    if not worlds:
        return
    terminalreporter.section("duopoll")
    told = ", ".join(f"{number} in {world}" for world, number in sorted(worlds.items()))
    broken = f"{len(commands)} failing" if commands else "no property broke"
    terminalreporter.write_line(f"runs: {told}; {broken}")
    for command in commands:
        terminalreporter.write_line(command)
