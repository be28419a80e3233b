"""The canary: a known bug that every campaign looks for by its own machinery, and must find.

A campaign that finds nothing says little unless it could have found something. So each session of
one also runs the model with a mutant, through the same batches, executor and failure files; the
failure is written, read back and played again. If that does not come about the campaign says so,
and ends with the exit code of a defect of duopoll.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.bulk.options import CANARY_RUNS
from harness.bulk.search import Batch, Findings
from harness.bulk.state import file_name
from harness.failure import decode, load, save
from harness.replay import replay
from harness.worlds import SIMULATED
from model.errors import UsageError
from model.mutants import Mutant
from model.mutants import find as find_mutant

#: of these the seed chooses: bugs of both kernels that most thousands of runs show
CANARIES = ("timeout-early", "low-ignored", "LE-191")
BATCH = 50


@dataclass(slots=True)
class Canary:
    """The hunt for one mutant within one session."""

    mutant: Mutant
    seed: int
    worlds: tuple[str, ...]
    limit: int = CANARY_RUNS
    asked: int = 0  # runs
    runs: int = 0
    found: Path | None = None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to ask for."""
        return self.found is not None or self.asked >= self.limit

    def batch(self) -> Batch:
        """The next runs."""
        number = self.asked
        runs = min(BATCH, self.limit - self.asked)
        self.asked += runs
        return Batch(number, ~self.seed & 0xFFFF_FFFF, "model", self.mutant.name, self.worlds, runs)

    def take(self, findings: Findings, folder: Path) -> None:
        """What came of a batch: the failure is written, read and played again."""
        self.runs += findings.runs.total()
        for each in findings.failures:
            if self.found is None and each.property == self.mutant.breaks:
                path = folder / "canary" / file_name(each.signature, each.property)
                save(path, decode(each.data.split(b"\n")))
                if load(path).broken == self.mutant.breaks and replay(str(path)).exit_code == 1:
                    self.found = path

    def told(self) -> str:
        """How it went, in a line."""
        if self.found is None:
            return (
                f"the canary {self.mutant.name} ({self.mutant.breaks}) was NOT FOUND in"
                f" {self.runs} runs: what this campaign did not find says nothing"
            )
        return f"canary {self.mutant.name} ({self.mutant.breaks}) found in {self.runs} runs"


def canary_of(seed: int, worlds: tuple[str, ...], name: str | None = None) -> Canary:
    """The canary of a campaign: chosen by its seed, or by name. It runs in the simulated worlds."""
    mutant = find_mutant(name or CANARIES[seed % len(CANARIES)])
    if mutant.threads:
        raise UsageError(f"--canary {mutant.name}: few drawn scenarios have threads: name another")
    simulated = tuple([world for world in worlds if world in SIMULATED]) or SIMULATED
    sides = {"readiness": "sim-epoll", "completion": "sim-iocp"}
    held = {sides[kernel] for kernel in mutant.kernels}
    return Canary(mutant, seed, tuple([w for w in simulated if w in held]) or tuple(sorted(held)))
