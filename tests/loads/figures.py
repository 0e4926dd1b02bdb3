"""What a load came to: figures from the server's own log, a table of them, and the aims missed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.loads.driving import US, Driven
from tests.loads.quotas import QuotaSpec
from tests.loads.vendors import Hit


@dataclass
class Figures:
    """One load.

    used: what the server admitted within the measured time (of whomever), as a share of rate x
        time. whole: the same over the server's windows that lie wholly inside that time, None if
        it has none. early, late: refusals by the server in the first window, and after it; of our
        requests alone.
    """

    name: str
    seconds: float
    calls: int = 0
    sent: int = 0
    used: float | None = None
    whole: float | None = None
    early: int = 0
    late: int = 0
    failed: int = 0
    refused: int = 0
    longest: float = 0.0
    cpu: float = 0.0
    notes: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    skipped: str = ""

    def aim(self, holds: bool, otherwise: str) -> None:
        """Note an aim as missed unless it holds."""
        if not holds:
            self.missed.append(otherwise)

    def no_429(self) -> None:
        turned_away = self.early + self.late
        self.aim(not turned_away, f"{turned_away} answers 429; aim: none")

    def one_429(self) -> None:
        self.aim(self.early <= 1, f"{self.early} answers 429 in the first window; aim: 1 at most")
        self.aim(not self.late, f"{self.late} answers 429 after the first window; aim: none")

    def use(self, share: float) -> None:
        used = self.used or 0.0
        self.aim(used >= share, f"{used:.1%} of the quota used; aim: {share:.0%}")

    def all_pass(self) -> None:
        self.aim(not self.refused, f"{self.refused} calls refused by @throttled; aim: none")
        self.aim(not self.failed, f"{self.failed} calls failed; aim: none")


def figures_of(
    name: str,
    driven: Driven,
    hits: Iterable[Hit],
    quota: QuotaSpec,
    *,
    later: Callable[[Hit], bool] | None = None,
) -> Figures:
    """The figures of one quota.

    later: does this hit come after the time that learning may take? By default: is it in a later
        window of the server than our first one?
    """
    hits = [hit for hit in hits if hit.path.startswith(quota.path)]
    ours = [hit for hit in hits if hit.client in (US, "")]
    seconds = driven.ended - driven.began
    one = Figures(name, seconds, driven.calls, len(ours), failed=driven.failed)
    one.refused, one.longest, one.cpu = driven.refused, driven.longest, driven.cpu
    if not ours:
        one.missed.append("no request reached the server")
        return one
    learned = ours[0].window
    later = later or (lambda hit: hit.window > learned)
    for hit in ours:
        if not hit.admitted:
            if later(hit):
                one.late += 1
            else:
                one.early += 1
    measured = [hit for hit in hits if hit.admitted and driven.began <= hit.at < driven.ended]
    one.used = len(measured) / (quota.rate * seconds)
    if quota.kind in ("fixed", "first"):
        one.whole = _of_whole_windows(measured, quota)
    others = sum(hit.client not in (US, "") for hit in measured)
    if others:
        mine = len(measured) - others
        one.notes.append(f"ours {mine}, other client {others}")
    often = sorted(driven.errors.items(), key=lambda item: -item[1])
    one.notes += [f"{count} × {what}" for what, count in often[:3]]
    return one


def _of_whole_windows(measured: Sequence[Hit], quota: QuotaSpec) -> float | None:
    """The first and the last window are cut short by the measuring."""
    counts: dict[int, int] = {}
    for hit in measured:
        counts[hit.window] = counts.get(hit.window, 0) + 1
    whole = range(min(counts, default=0) + 1, max(counts, default=0))
    if not whole:
        return None
    return sum(counts.get(window, 0) for window in whole) / (quota.calls * len(whole))


HEADER = (
    f"{'load':34}{'calls':>6}{'sent':>6}{'429 1st':>8}{'later':>6}{'used':>8}{'whole':>8}"
    f"{'failed':>7}{'refused':>8}{'longest':>9}{'cpu s':>7}"
)


def line_of(one: Figures) -> str:
    """A line of the table, and one more for each aim that was missed."""
    if one.skipped:
        return f"{one.name:34}skipped: {one.skipped}"
    lines = [
        f"{one.name:34}{one.calls:6}{one.sent:6}{one.early:8}{one.late:6}{_share(one.used):>8}"
        f"{_share(one.whole):>8}{one.failed:7}{one.refused:8}{one.longest:8.2f}s{one.cpu:7.2f}"
    ]
    lines += [f"{'':6}{note}" for note in one.notes]
    lines += [f"{'':6}MISSED: {missed}" for missed in one.missed]
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
