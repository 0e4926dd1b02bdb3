"""Shared state in a Redis or Valkey server, or a cluster of them: what machines share."""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from resilient.call import listeners
from resilient.sharing.redis import words
from resilient.sharing.redis.scripts import (
    BEGIN_ANEW,
    LOOK,
    PUBLISH,
    PUBLISHED,
    SWAP,
    TRY_TO_WRITE,
)
from resilient.sharing.redis.topology import ClusterServer, SentinelWire
from resilient.sharing.redis.trade import TRADE
from resilient.sharing.rules import budgets, circuits
from resilient.sharing.shapes import (
    NEVER,
    Ask,
    BudgetReport,
    BudgetView,
    CircuitReport,
    CircuitTerms,
    CircuitView,
    Grant,
    Probe,
)
from resilient.stores.bytes_store import StoreFailed
from resilient.stores.redis_connection import Wire
from resilient.stores.redis_scripts import Script
from resilient.stores.redis_server import Line, RedisServer, WrongType

T = TypeVar("T")

State = dict[str, Any]


def open_redis(scheme: str, rest: str, bound: float, namespace: str) -> RedisState:
    """The state behind a URL `scheme://rest`. Raises: ConfigurationError."""
    base, _, kind = scheme.partition("+")
    if kind == "cluster":
        return RedisState(ClusterServer(base, rest, bound), namespace)
    if kind == "sentinel":
        return RedisState(SentinelWire(base, rest, bound), namespace)
    return RedisState(Wire(f"{scheme}://{rest}", bound, "open_state"), namespace)


class RedisState:
    """See StateStore. Everything ends by the server's own clock.

    A trade is one script, and one round trip. Circuits and budgets are read, then written only if
    nobody else has changed them meanwhile: what they come to is decided by the same functions for
    every store.

    A trade that fails may have been heard all the same: its holder is best given up, and what it
    told is told again by another one, as spent.

    now: seconds, in place of the server's clock, for tests.
    """

    TRIES = 50

    __slots__ = (
        "__weakref__",
        "_budget",
        "_circuit",
        "_now",
        "_published",
        "_quota",
        "_server",
        "_token",
        "_tried",
        "_turns",
        "label",
    )

    def __init__(
        self, wire: Line | ClusterServer, namespace: str, now: Callable[[], float] | None = None
    ) -> None:
        self.label = f"redis:{wire.label}"
        self._server = wire if isinstance(wire, ClusterServer) else RedisServer(wire)
        name = namespace.encode()
        self._quota = b"{%b:q:" % name
        self._circuit = b"{%b}:c:" % name
        self._budget = b"{%b}:b:" % name
        self._published = {b"{%b}:figures" % name: b"hash", b"{%b}:figures:ends" % name: b"zset"}
        self._tried = b"{%b}:tried" % name
        self._now = now
        self._begin_turns()

    def trade(self, ask: Ask) -> Grant:
        tag = self._quota + words.text(ask.quota)
        turn = self._token + next(self._turns).to_bytes(6, "big")
        arguments = words.asked(ask, turn, self._moment())
        answer = self._run_anew(TRADE, {tag + b"}:s": b"hash", tag + b"}:l": b"zset"}, arguments)
        return words.granted(answer, ask.want)

    def circuits(self, worker: str, reports: Sequence[CircuitReport]) -> Sequence[CircuitView]:
        def change(place: int, state: State | None, now: float) -> tuple[State | None, CircuitView]:
            return circuits.reported(state, worker, reports[place], now)

        def lasts(place: int, state: State, now: float) -> float:
            return circuits.lasts(state, reports[place].terms, now)

        return self._changed(self._circuit, [one.name for one in reports], change, lasts)

    def probe(self, name: str, worker: str, terms: CircuitTerms, lives: float) -> Probe:
        def change(_: int, state: State | None, now: float) -> tuple[State | None, Probe]:
            return circuits.probe(state, worker, terms, lives, now, name)

        return self._changed(self._circuit, [name], change, _lasts_by(terms))[0]

    def probed(
        self, name: str, number: int, terms: CircuitTerms, outcome: str, opens: float, why: str
    ) -> CircuitView:
        def change(_: int, state: State | None, now: float) -> tuple[State | None, CircuitView]:
            return circuits.probed(state, number, terms, outcome, opens, why, now, name)

        return self._changed(self._circuit, [name], change, _lasts_by(terms))[0]

    def budgets(self, reports: Sequence[BudgetReport]) -> Sequence[BudgetView]:
        def change(place: int, state: State | None, now: float) -> tuple[State | None, BudgetView]:
            return budgets.counted(state, reports[place], now)

        def lasts(place: int, state: State, now: float) -> float:
            return budgets.lasts(reports[place])

        return self._changed(self._budget, [one.name for one in reports], change, lasts)

    def publish(self, worker: str, figures: bytes, lives: float) -> None:
        name, until = words.text(worker), words.millis(lives)
        self._run_anew(PUBLISH, self._published, [self._now_text(), name, figures, until])

    def published(self) -> Mapping[str, bytes]:
        answer = self._server.run(
            PUBLISHED, list(self._published), [self._now_text()], writes=False
        )
        pairs = words.strings(answer)
        if len(pairs) % 2:
            raise words.nonsense()
        return {words.read(name): figures for name, figures in _in_pairs(pairs)}

    def try_to_write(self) -> None:
        self._server.run(TRY_TO_WRITE, [self._tried], [])

    def close(self) -> None:
        self._server.close()

    def renew_in_child(self) -> None:
        self._server.renew_in_child()
        self._begin_turns()

    def _begin_turns(self) -> None:
        self._token = secrets.token_bytes(6)
        self._turns = itertools.count(1)

    def _run_anew(
        self, script: Script, kinds: Mapping[bytes, bytes], arguments: Sequence[bytes]
    ) -> Any:
        """Run a script on some keys, each of its kind; without what is kept there, if it is not."""
        keys = list(kinds)
        try:
            return self._server.run(script, keys, arguments)
        except WrongType:
            # As if it had been evicted: what others have put there must not stop all of us.
            self._server.run(BEGIN_ANEW, keys, list(kinds.values()))
        text = "what was kept under a key of ours was not put there by us: it was begun anew"
        listeners.announce("degraded", self.label, text)
        return self._server.run(script, keys, arguments)

    def _moment(self) -> int:
        return -1 if self._now is None else words.moment(self._now())

    def _now_text(self) -> bytes:
        return b"%d" % self._moment()

    def _changed(
        self,
        prefix: bytes,
        names: Sequence[str],
        change: Callable[[int, State | None, float], tuple[State | None, T]],
        lasts: Callable[[int, State, float], float],
    ) -> list[T]:
        """Change each named state by a pure function of what it is; what the function tells."""
        views: dict[int, T] = {}
        keys = [prefix + words.text(name) for name in names]
        waiting = list(range(len(names)))
        for _ in range(self.TRIES):
            if not waiting:
                return [views[place] for place in range(len(names))]
            # One name in several reports is changed by one after the other.
            batch = list({keys[place]: place for place in reversed(waiting)}.values())
            moment, *found = words.strings(
                self._server.run(
                    LOOK, [keys[place] for place in batch], [self._now_text()], writes=False
                ),
                1 + len(batch),
            )
            now = words.seconds(moment)
            swaps: list[tuple[int, list[bytes]]] = []
            for place, kept in zip(batch, found, strict=True):
                state = _state_of(kept)
                try:
                    changed, views[place] = change(place, state, now)
                except Exception:
                    # What somebody else has put there: as if it were nothing.
                    state = None
                    changed, views[place] = change(place, state, now)
                if changed is not None and changed is not state:
                    lives = lasts(place, changed, now)
                    data = json.dumps(changed, separators=(",", ":")).encode()
                    until = b"0" if lives == NEVER else words.millis(lives)
                    swaps.append((place, [kept, data, until]))
            taken = set(batch)
            waiting = [place for place in waiting if place not in taken]
            waiting += self._not_swapped(keys, swaps)
        raise StoreFailed("too many change the same at once")

    def _not_swapped(
        self, keys: Sequence[bytes], swaps: Sequence[tuple[int, list[bytes]]]
    ) -> list[int]:
        if not swaps:
            return []
        arguments = list(itertools.chain.from_iterable(parts for _, parts in swaps))
        answer = self._server.run(SWAP, [keys[place] for place, _ in swaps], arguments)
        verdicts = words.strings(answer, len(swaps))
        return [
            place for (place, _), verdict in zip(swaps, verdicts, strict=True) if verdict != b"1"
        ]


def _lasts_by(terms: CircuitTerms) -> Callable[[int, State, float], float]:
    return lambda _, state, now: circuits.lasts(state, terms, now)


def _state_of(kept: bytes) -> State | None:
    try:
        state = json.loads(kept) if kept else None
    except ValueError:
        return None
    return state if isinstance(state, dict) else None


def _in_pairs(parts: Sequence[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(parts[::2], parts[1::2], strict=True)
