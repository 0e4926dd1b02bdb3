"""The order of a stack: where a policy goes, and what can't be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol, TypeVar

from resilient.call import Target


class Member(Protocol):
    """What a stack needs to know of a policy.

    kind: its decorator's name. rank: its recommended place, outermost lowest.
    """

    kind: ClassVar[str]
    rank: ClassVar[int]
    mode: str

    def unfold(self: _M) -> Sequence[_M]:
        """The policies that this one stands for, outermost first."""

    def figures(self, target: Target) -> Mapping[str, object]:
        """What it knows of a function now, as plain data for its stats."""


_M = TypeVar("_M", bound=Member)

# What goes wrong when a policy of the first kind stands outside one of the second.
_ODD_PAIRS = {
    ("breaker", "fallback"): "calls that the breaker refuses get no answer, since the fallback "
    "stands inside it: put @fallback above @breaker",
    ("throttled", "fallback"): "calls that the quota refuses get no answer, since the fallback "
    "stands inside it: put @fallback above @throttled",
    ("bulkhead", "fallback"): "calls that the bulkhead refuses get no answer, since the fallback "
    "stands inside it: put @fallback above @bulkhead",
    ("retry", "fallback"): "nothing is ever retried, since the fallback inside answers the first "
    "failure: put @fallback above @retry",
    ("cached", "fallback"): "stale answers are never used, since the fallback inside the cache "
    "answers first: put @fallback above @cached",
    ("throttled", "cached"): "answers from the cache wait for the quota: put @cached above "
    "@throttled",
    ("bulkhead", "cached"): "answers from the cache wait for a free place: put @cached above "
    "@bulkhead",
    ("breaker", "cached"): "answers from the cache count as successes of the vendor, and an open "
    "breaker refuses them: put @cached above @breaker",
    ("retry", "cached"): "a stale answer is given after the first failure instead of the last, and "
    "nothing is retried then: put @cached above @retry",
}


def oddities(policies: Sequence[Member]) -> list[str]:
    """What can't be meant about a stack, outermost first, in words."""
    found = []
    kinds = [policy.kind for policy in policies]
    for kind in dict.fromkeys(kinds):
        if kinds.count(kind) > 1:
            found.append(f"@{kind} stands there more than once: use one")
    if "service" in kinds[1:]:
        found.append(
            "@service is not outermost, so its deadline does not bound what stands above it: put "
            "@service on top"
        )
    for place, outer in enumerate(kinds):
        for inner in dict.fromkeys(kinds[place + 1 :]):
            problem = _ODD_PAIRS.get((outer, inner))
            if problem is not None and problem not in found:
                found.append(problem)
    return found


def put_on_top(policy: _M, below: tuple[_M, ...]) -> tuple[_M, ...]:
    """Order is as written; but what a service bundles finds its recommended place below it.

    A bundle says which policies, not where: `@github` on top of `@cached` must not make answers
    from the cache wait for github's quota.
    """
    first, *bundled = policy.unfold()
    merged: list[_M] = []
    rest = list(below)
    for member in sorted(bundled, key=lambda member: member.rank):
        while rest and rest[0].rank < member.rank:
            merged.append(rest.pop(0))
        merged.append(member)
    return (first, *merged, *rest)
