"""What every store of shared state can do, each thing in one step that nothing comes between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from resilient.sharing.shapes import (
    Ask,
    BudgetReport,
    BudgetView,
    CircuitReport,
    CircuitTerms,
    CircuitView,
    Grant,
    Probe,
)


class StateStore(Protocol):
    """Safe under threads; what it can't do within its bound raises StoreFailed.

    label: names the store in messages, without credentials.
    The store's own clock decides; what nobody has used for long is forgotten by itself.
    """

    label: str

    def trade(self, ask: Ask) -> Grant:
        """Take and give back slots of a quota, and exchange what the vendor told."""

    def circuits(self, worker: str, reports: Sequence[CircuitReport]) -> Sequence[CircuitView]:
        """Count what calls came to, and see how the circuits stand; one view a report, in order."""

    def probe(self, name: str, worker: str, terms: CircuitTerms, lives: float) -> Probe:
        """Ask for a probe of a circuit that is half-open, or open with its time over.

        lives: seconds after which a probe that was not heard of gives up its place.
        """

    def probed(
        self, name: str, number: int, terms: CircuitTerms, outcome: str, opens: float, why: str
    ) -> CircuitView:
        """How a probe went: "ok", "failed", or "nothing" if it says nothing.

        opens: seconds that the vendor asked to be left alone, 0.0 if it did not.
        """

    def budgets(self, reports: Sequence[BudgetReport]) -> Sequence[BudgetView]:
        """Count calls and retries, and see those of all workers; one view a report, in order."""

    def publish(self, worker: str, figures: bytes, lives: float) -> None:
        """Keep a worker's figures for `lives` seconds, in place of its former ones."""

    def published(self) -> Mapping[str, bytes]:
        """The figures of all workers that are kept."""

    def try_to_write(self) -> None:
        """Write something that says nothing, to see whether anything can be written."""

    def close(self) -> None:
        """Close connections."""

    def renew_in_child(self) -> None:
        """Give up what a forked child must not share with its parent."""
