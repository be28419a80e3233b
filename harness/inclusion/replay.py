"""One attempt to explain a trace: its calls, made again on a simulated kernel, in their order.

The loop's records are calls with their answers; the raw peers' calls are inputs. Between two calls
whatever waits in the network may happen (`settle`): everything does as soon as the records allow
(`harness.inclusion.life`). When a record needs more than has happened, `press` looks for it: a
segment that was held back without need, a call that a peer has made but not recorded yet. An
answer that the simulated kernel cannot give then is a `Mismatch`.

What the records do not decide is a `Hint`, by default the likelier: see `harness.inclusion.search`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from harness.inclusion.life import Life
from harness.inclusion.raw_ends import Call, RawEnd
from harness.inclusion.says import outcome, state_of
from harness.inclusion.waiting import RAW_BACKLOG, Hint, Mismatch, Waiting
from harness.scenario import PeerEnd, Scenario, ends, reconnects
from model.errors import Errno, SimulatorError
from model.trace import Record
from sim.epoll import LATE_NS
from sim.segments import CLOSED, ESTABLISHED, SYN_SENT
from sim.tcp import Endpoint


class Replay(Waiting):
    """One attempt. Subclasses make the kernel and its calls."""

    def __init__(
        self,
        scenario: Scenario,
        records: Sequence[Record],
        hints: Collection[Hint],
        flavour: Literal["linux", "nt"],
    ) -> None:
        super().__init__(records, hints, flavour)
        self._raw_ends(scenario)

    # -- beginnings -------------------------------------------------------------------------------

    def _raw_ends(self, scenario: Scenario) -> None:
        """The raw ends; servers listen from the beginning."""
        raw = self.raw
        for name, end in ends(scenario):
            if not isinstance(end, PeerEnd):
                continue
            raw[name] = RawEnd(name, end)
            for number in range(1, end.connects):
                raw[f"{name}.{number}"] = RawEnd(name, PeerEnd())
            if name[0] == "s":
                again = reconnects(scenario, int(name[1:]))
                others = [RawEnd(name, end) for _ in range(again)]
                raw |= {f"{name}.{number}": each for number, each in enumerate(others, 1)}
                self._raw_listen(raw[name], others)
        records: dict[str, list[tuple[int, Record]]] = {name: [] for name in raw}
        for number, record in enumerate(self.records):
            if record[1] == "peer":
                self._sort_in(records, number, record)
        for name, raw_end in raw.items():
            raw_end.read_calls(records[name])
            for call in raw_end.calls:
                if call.record is not None:
                    self.raw_at[call.record] = raw_end

    def _sort_in(
        self, records: dict[str, list[tuple[int, Record]]], number: int, record: Record
    ) -> None:
        """A peer's record; a client's second connect, and so on, is a socket of its own."""
        name = record[2]
        if name not in records:
            raise Mismatch(number, f"a call of the peer {name}", "no such peer in the scenario")
        if record[3] == "connect" and records[name]:
            free = [each for each in records if each.startswith(name + ".") and not records[each]]
            name = free[0] if free else name
        records[name].append((number, record))

    def _raw_listen(self, raw: RawEnd, others: Sequence[RawEnd]) -> None:
        listener = Endpoint(self.network)
        if raw.end.listens:
            listener.listen(RAW_BACKLOG)
        else:
            listener.bind(0)
        life = self.lives[listener] = Life(f"the listener of {raw.name}", None, 0)
        life.accepted = [each.life for each in (raw, *others)]
        self.named_ports[raw.name] = listener.local_port

    # -- the pass ---------------------------------------------------------------------------------

    def explain(self) -> None:
        """Goes through all records. Raises `Mismatch`."""
        for number, record in enumerate(self.records):
            self.at = self.clock = self.scheduler.record = number
            self.scheduler.now = max(self.scheduler.now, record[0])
            kind = record[1]
            if kind == "peer":
                self.settle()
                self._peer_record(number, record)
            elif number in self.made:
                pass
            elif number in self.turns.foreign:
                if number not in self.turns.awaited:
                    self._make(number)
            elif kind in self.LOOP_CALLS:
                self.settle()
                self._meanwhile(number)
                self.call(number, record)
                self.clock = number + 1
                self.settle()
                for call in self.turns.around.get(number, ()):
                    if call < number and call not in self.made:
                        self._make(call)
                self._late_records()
            elif kind == "quiet":
                self.settle()
                self._check_quiet(number)

    def _make(self, number: int) -> None:
        """Makes a call of another thread than the loop's."""
        at, self.at = self.at, number
        self.made.add(number)
        self.settle()
        self.call(number, self.records[number])
        self.settle()
        self.at = at

    def _meanwhile(self, number: int) -> None:
        """Before a wait of the loop: as few of the calls of other threads as it takes for what it
        saw."""
        for call in self.turns.around.get(number, ()):
            if self.may_see(self.records[number]):
                return
            if call not in self.made:
                self._make(call)

    def may_see(self, record: Record) -> bool:
        """Whether a wait could end as the record says, as far as other threads' calls go."""
        return True

    def call(self, number: int, record: Record) -> None:
        """Makes the loop's call of that record and compares its answer."""
        raise SimulatorError(f"{type(self).__name__} makes no such call")

    def check_timeout(self, timeout_ns: int) -> None:
        """A wait begins after the loop's record before, and its timeout is never early."""
        lasted = self.records[self.at][0] - self._before_ns()
        self.must(
            lasted >= timeout_ns,
            f"a timeout after {lasted} ns",
            f"nothing before {timeout_ns} ns have passed",
        )
        late = lasted - timeout_ns
        value = next((n for n, most in enumerate(LATE_NS) if late <= most), len(LATE_NS) - 1)
        self.network.note("epoll_wait.late", len(LATE_NS), value)

    def _before_ns(self) -> int:
        """When the loop wrote its record before."""
        number = self.at - 1
        while number >= 0 and not self._is_of_the_loop(number):
            number -= 1
        return int(self.records[number][0]) if number >= 0 else 0

    def _is_of_the_loop(self, number: int) -> bool:
        kind = self.records[number][1]
        return kind != "peer" and number not in self.turns.others

    # -- peers ------------------------------------------------------------------------------------

    def _peer_record(self, number: int, record: Record) -> None:
        """The calls of a peer up to this record have been made."""
        raw = self.raw_at.get(number)
        if raw is None:
            raise Mismatch(
                number,
                f"{record[2]} calls {record[3]}",
                "the scenario has no such call of this peer here",
            )
        behind = any(each is raw for _, each in self.late) or Hint("late", number) in self.hints
        if behind and self._running_at(number) is not None:
            self.late.append((number, raw))
            return
        try:
            self._catch_up(raw, number)
        except Mismatch:
            if self._running_at(number) is None:
                raise
            self.late.append((number, raw))

    def _late_records(self) -> None:
        late, self.late = self.late, []
        for number, raw in late:
            self._catch_up(raw, number)
            self.settle()

    def _catch_up(self, raw: RawEnd, number: int) -> None:
        """Makes the peer's calls up to that of record `number`, and checks the last."""
        while raw.done < len(raw.calls):
            call = raw.calls[raw.done]
            if call.record is None or call.record > number:
                break
            self.perform(raw, call, number)
        if raw.calls[0].record == number and raw.client:
            self._check_connect(raw, raw.calls[0], number)

    def perform(self, raw: RawEnd, call: Call, number: int) -> None:
        """Makes one call of a raw peer. Raises `Mismatch` if it cannot have had its result."""
        getattr(self, f"_peer_{call.operation}")(raw, call, number)
        raw.done += 1
        raw.life.position = raw.done
        self.settle()

    def _peer_connect(self, raw: RawEnd, call: Call, number: int) -> None:
        port = self.named_ports.get(f"s{raw.index}")
        raw.endpoint = Endpoint(self.network)
        self.lives[raw.endpoint] = raw.life
        self.raw_of[raw.endpoint] = raw
        raw.endpoint.connect(0 if port is None else port)

    def _check_connect(self, raw: RawEnd, call: Call, number: int) -> None:
        endpoint = raw.endpoint
        if endpoint is None or call.result is Errno.ETIMEDOUT:
            return
        state = endpoint.state
        refused = state is CLOSED and not endpoint.reset
        if call.result is None and (state is SYN_SENT or refused):
            raise Mismatch(
                number, f"{raw.name}: connect succeeds", "it is refused", self.doubts(raw.life)
            )
        if call.result is not None and state is ESTABLISHED:
            told = f"{raw.name}: connect gives {outcome(call.result)}"
            raise Mismatch(number, told, "it succeeds", self.doubts(raw.life))

    def _peer_accept(self, raw: RawEnd, call: Call, number: int) -> None:
        listener = self.network.listeners.get(self.named_ports[raw.name])
        made = Errno.EINVAL if listener is None else listener.accept()
        if isinstance(made, Endpoint) and not isinstance(call.result, Errno):
            raw.endpoint = made
            self.raw_of[made] = raw
        elif not isinstance(call.result, Errno):
            raise Mismatch(number, f"{raw.name}: accept gives a connection", "nobody has connected")

    def _peer_send(self, raw: RawEnd, call: Call, number: int) -> None:
        endpoint = raw.endpoint
        if endpoint is None:
            return
        result = endpoint.send((call.data,))
        failed = isinstance(call.result, Errno)
        if call.record is None:
            return  # it had not returned when the trace ended
        if failed and isinstance(result, int):
            self.settle()  # some of it may have gone, and brought the reset
            while endpoint.plain and self.press(raw.life, endpoint):
                pass
            self.check_raw(raw, call, number, endpoint.reset or endpoint.state is CLOSED)
        elif not failed:
            self.check_raw(raw, call, number, result == len(call.data))
            whole = call.result == call.data
            self.check_raw(raw, call, number, whole)

    def _peer_recv(self, raw: RawEnd, call: Call, number: int) -> None:
        endpoint = raw.endpoint
        if call.record is None or endpoint is None or call.result is Errno.ETIMEDOUT:
            return
        if isinstance(call.result, Errno):
            error = endpoint.recv(call.size) if not endpoint.inbox_size else None
            self.check_raw(raw, call, number, isinstance(error, Errno) and error == call.result)
            return
        wanted = len(call.result)
        while endpoint.inbox_size < wanted and self.press(raw.life, endpoint):
            pass
        if wanted:
            enough = wanted <= min(endpoint.inbox_size, call.size)
            self.check_raw(raw, call, number, enough)
            data = endpoint.recv(wanted)
            self.check_raw(raw, call, number, data == call.result)
        else:
            ended = not endpoint.inbox_size and endpoint.recv(call.size) == b""
            self.check_raw(raw, call, number, ended)

    def _peer_shutdown(self, raw: RawEnd, call: Call, number: int) -> None:
        if raw.endpoint is not None:
            result = raw.endpoint.shutdown("WR")
            if call.record is not None and not self.completion:  # Winsock has its own answers
                self.check_raw(raw, call, number, (result is None) == (call.result is None))

    def _peer_close(self, raw: RawEnd, call: Call, number: int) -> None:
        if raw.endpoint is not None:
            raw.endpoint.close()

    def _peer_reset(self, raw: RawEnd, call: Call, number: int) -> None:
        if raw.endpoint is not None:
            raw.endpoint.close(linger_zero=True)

    def check_raw(self, raw: RawEnd, call: Call, number: int, condition: bool) -> None:
        if not condition:
            found = f"{raw.name}: {call.operation} gives {outcome(call.result)}"
            possible = state_of(raw.endpoint, raw.name)
            raise Mismatch(number, found, possible, self.doubts(raw.life))
