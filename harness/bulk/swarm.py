"""Swarms: what exists in a run. Drawn for each, so that no feature is always in another's way.

A connection that is reset at every turn never fills a window; a scenario that may free in every
callback seldom reaches its third. So a swarm says which steps there are at all, which callbacks do
anything, whether there may be faults, rate limits, rarities and threads, of which kind connections
are, how dense the noise is, and whether the world decides anything by its tape. It is read by a
`Noise` that knows it: a step that is not there gives way to another, and the same bytes still tell
one scenario.

Short noise ends before what is read last. So callbacks that do nothing take no bytes, and for a
part that may exist where the noise has ended its second half is read once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from random import Random
from typing import NamedTuple

from harness.noise import CALLBACKS, FOCUSES, KINDS, Noise
from harness.noise import PARTS as NOISE_PARTS
from harness.noise_tables import LAYERS, STOP
from harness.scenario import ACTIONS, PEER_ACTIONS, TLS_LAYERS, Reaction, Step

#: what a step does; the same word for the application and for a peer counts once
VERBS: tuple[str, ...] = tuple(dict.fromkeys((*ACTIONS, *PEER_ACTIONS)))
#: what a swarm may do without; 'tls': layers of TLS, which cost as much as several runs without
PARTS = (*NOISE_PARTS, "tls")
_FILTERS = [layer for layer in LAYERS if layer.kind not in TLS_LAYERS]
ALL = (1 << len(VERBS)) - 1
_BIT = {verb: 1 << number for number, verb in enumerate(VERBS)}
_STRIDE = 37  # through a table, past what does not exist: far enough to leave a run of likes
_LIKELY = 64  # a byte below leaves out a part that may exist
#: how dense the noise is: of 16 bytes so many become 0, which ends a list or is dull
SPARSITIES = (0, 1, 2, 4)
_DRAWN_KINDS = (*("any",) * 4, "plain", "served", "both", "layered")
_SELDOM = frozenset({"threads", "workers"})  # a run of theirs takes as long as ten others
_KINDS = {
    "any": KINDS,
    "plain": KINDS[:2],  # a raw peer
    "served": KINDS[1:2],  # a raw client, which may connect several times
    "both": KINDS[2:3],  # bufferevents
    "layered": KINDS[5:],
}


class Swarm(NamedTuple):
    """What exists. `verbs` is a mask over `VERBS`; `parts` some of `PARTS`."""

    verbs: int = ALL
    parts: tuple[str, ...] = PARTS
    kinds: str = "any"  # of connections: one of _KINDS
    focus: str = ""  # one of harness.noise.FOCUSES
    sparsity: int = 0  # one of SPARSITIES
    taped: bool = True  # else every decision of the world is the dull one
    callbacks: tuple[str, ...] = CALLBACKS  # those that do something

    def names(self) -> list[str]:
        """The names of the steps that exist."""
        return [verb for verb in VERBS if self.verbs & _BIT[verb]]

    def told(self) -> str:
        """The swarm in a line, for people."""
        missing = [verb for verb in VERBS if not self.verbs & _BIT[verb]]
        said = [f"without {' '.join(missing)}" if missing else "all steps"]
        said.append(f"with {' '.join(self.parts)}" if self.parts else "no faults, no limits")
        idle = [name for name in CALLBACKS if name not in self.callbacks]
        said += [f"{' and '.join(idle)} callbacks do nothing"] if idle else []
        said += [f"{self.kinds} connections"] if self.kinds != "any" else []
        said += [f"focus {self.focus}"] if self.focus else []
        said += [f"{self.sparsity} of 16 bytes dull"] if self.sparsity else []
        return "; ".join([*said, "taped" if self.taped else "no tape"])


def mask_of(names: Iterable[str]) -> int:
    """The mask over `VERBS` with these names."""
    return sum(_BIT[name] for name in set(names))


def kinds_of_connections() -> tuple[str, ...]:
    """What `Swarm.kinds` may be."""
    return tuple(_KINDS)


def draw(random: Random, focus: str | None = None) -> Swarm:
    """A swarm. `focus` fixes what is otherwise drawn, mostly the empty one."""
    bits = random.getrandbits(19)
    if focus is None:
        focus = FOCUSES[random.randrange(1, len(FOCUSES))] if bits & 7 == 7 else ""
    verbs = random.getrandbits(len(VERBS)) | random.getrandbits(len(VERBS))
    if bits >> 3 & 3 == 0 and bits & 1:
        verbs = ALL
    more = random.getrandbits(5 * len(PARTS) + 2 * len(CALLBACKS))
    parts: list[str] = []
    for part in PARTS:
        if not more & (31 if part in _SELDOM else 3):
            parts.append(part)
        more >>= 5
    callbacks = tuple([name for number, name in enumerate(CALLBACKS) if more >> 2 * number & 3])
    kinds = _DRAWN_KINDS[bits >> 13 & 7]
    sparsity, taped = SPARSITIES[bits >> 16 & 3], bool(bits >> 18)
    return Swarm(verbs, tuple(parts), kinds, focus, sparsity, taped, callbacks)


class SwarmNoise(Noise):
    """Noise in which only what a swarm has exists."""

    __slots__ = ("_callbacks", "_parts", "_verbs")

    def __init__(self, data: bytes, swarm: Swarm) -> None:
        super().__init__(data.translate(_sparse(swarm.sparsity)) if swarm.sparsity else data)
        self._verbs = swarm.verbs
        self._parts = swarm.parts
        self._callbacks = swarm.callbacks
        self.kinds = _KINDS[swarm.kinds]
        if "tls" not in swarm.parts:
            self.layers = _FILTERS

    def part(self, name: str, least: int) -> int:
        """Likely where it may exist; else never."""
        exists = name in self._parts
        if exists and self.position >= len(self.data):
            self.position = len(self.data) >> 1
        byte = self.byte()
        return byte if exists and byte >= _LIKELY else 0

    def callbacks(self, which: str, table: Sequence[Step | Reaction]) -> tuple[Reaction, ...]:
        """Nothing, and no bytes, for those that do nothing."""
        return self.reactions(table, 3) if which in self._callbacks else ()

    def entry(self, table: Sequence[Step | Reaction], byte: int) -> Step | Reaction:
        """The first that exists, from the byte's place on; nothing where there is none."""
        size = len(table)
        place = (byte - STOP) % size
        verbs = self._verbs
        if verbs == ALL:
            return table[place]
        for _ in range(8):
            entry = table[place]
            verb = entry.do if isinstance(entry, Step) else entry[0].do
            if verbs & _BIT[verb]:
                return entry
            place = (place + _STRIDE) % size
        return ()


@cache
def _sparse(sparsity: int) -> bytes:
    """A table for bytes.translate: so many of 16 bytes, spread evenly, become 0."""
    return bytes([0 if (byte * 7 & 15) < sparsity else byte for byte in range(256)])
