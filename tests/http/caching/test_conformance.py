"""What a caller of `@cached(http=True)` gets and an origin sees, section by section of the RFCs.

Each scenario runs over real HTTP with the options that come by default. They are in `conformance`,
by subject; `scenarios` says how they are written. Where only a number is given it is of RFC 9111.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resilient.testing import FakeClock
from tests.http.caching.conformance import (
    directives,
    failures,
    freshness,
    invalidating,
    messages,
    parts,
    statuses,
    storing,
    validating,
    variants,
)
from tests.http.caching.origin import Origin
from tests.http.caching.scenarios import Steps, play

SUBJECTS = (
    storing,
    freshness,
    statuses,
    directives,
    variants,
    validating,
    invalidating,
    parts,
    failures,
    messages,
)
ALL = [
    pytest.param(steps, id=name)
    for subject in SUBJECTS
    for name, steps in subject.SCENARIOS.items()
]


@pytest.mark.parametrize("steps", ALL)
def test_scenario(steps: Steps, origin: Callable[..., Origin], clock: FakeClock) -> None:
    play(steps, origin, clock)
