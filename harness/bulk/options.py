"""The options of `duopoll campaign` and `duopoll corpus`. What they need is imported when they run:
a replay needs none of it.
"""

from __future__ import annotations

import argparse
from typing import Any

from harness.options import add_command, json_option, natural, positive, subject_options

CANARY_RUNS = 4_000


def add(subparsers: Any) -> None:
    """Adds both commands."""
    _campaign(subparsers)
    _corpus(subparsers)


def _campaign(subparsers: Any) -> None:
    command = add_command(
        subparsers, "campaign", _run_campaign, help="search on all cores, and go on later"
    )
    subject_options(command)
    command.add_argument(
        "--world",
        action="append",
        metavar="WORLD",
        help="where to run; repeatable (default: the simulated ones)",
    )
    limit = command.add_mutually_exclusive_group()
    limit.add_argument(
        "--runs", type=positive, metavar="N", help="until the campaign has N runs in all"
    )
    limit.add_argument("--seconds", type=positive, metavar="S", help="this session (default: 60)")
    command.add_argument("--seed", type=natural, metavar="N", help="of a new campaign")
    command.add_argument(
        "--dir",
        default="campaign",
        metavar="DIR",
        help="folder of the campaign; one that is there is gone on with (default: campaign)",
    )
    command.add_argument("--resume", action="store_true", help="only if there is one already")
    workers = command.add_mutually_exclusive_group()
    workers.add_argument(
        "--jobs", type=positive, metavar="N", help="processes (default: one a core)"
    )
    workers.add_argument(
        "--dask", metavar="ADDRESS", help="instead a Dask cluster: tcp://127.0.0.1:8786"
    )
    command.add_argument(
        "--shrink-seconds", type=positive, default=10, metavar="S", help="for one failure (10)"
    )
    command.add_argument(
        "--canary", metavar="NAME", help="the mutant that must be found (default: by the seed)"
    )
    command.add_argument(
        "--canary-runs",
        type=positive,
        default=CANARY_RUNS,
        metavar="N",
        help=f"exit code 3 if it is not found in so many runs ({CANARY_RUNS})",
    )
    json_option(command)


def _corpus(subparsers: Any) -> None:
    top = subparsers.add_parser("corpus", help="merge, minimise or show folders of cases")
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="corpus")
    merge = add_command(
        commands, "merge", _merge, help="add to the first folder what the others cover besides"
    )
    merge.add_argument("folders", nargs="+", metavar="DIR")
    minimise = add_command(
        commands, "minimise", _minimise, help="remove the cases that others make superfluous"
    )
    minimise.add_argument("folder", metavar="DIR")
    show = add_command(commands, "show", _show, help="list the cases and their swarms")
    show.add_argument("folder", metavar="DIR")
    for each in (merge, minimise, show):
        json_option(each)


def _run_campaign(options: argparse.Namespace) -> int:
    from harness.bulk import command

    return command.campaign(options)


def _merge(options: argparse.Namespace) -> int:
    from harness.bulk import command

    return command.merge(options)


def _minimise(options: argparse.Namespace) -> int:
    from harness.bulk import command

    return command.minimise(options)


def _show(options: argparse.Namespace) -> int:
    from harness.bulk import command

    return command.show(options)
