"""For tests of code that uses resilient: no waiting, no luck, and a vendor that fails on demand.

    fake_clock      every wait is instant and exact, and the clock tells how long it was
    ScriptedVendor  a real HTTP server on the loopback: "429 retry-after=3, timeout, 500 x2, 200"
    policies_off    decorated functions run bare
    record_steps    what the policies did, as a list
    assert_no_secrets   no secret is in a text, a file or data, in whatever form

The same as pytest fixtures: `resilient_clock`, `resilient_vendor`, `resilient_off` and
`resilient_steps`. Nothing here needs pytest.
"""

from __future__ import annotations

from resilient.testing.clock import FakeClock, fake_clock
from resilient.testing.script import GRAMMAR, Answer
from resilient.testing.secrets import assert_no_secrets
from resilient.testing.steps import RecordedSteps, record_steps
from resilient.testing.switch import policies_off
from resilient.testing.vendor import Request, ScriptedVendor

__all__ = [
    "GRAMMAR",
    "Answer",
    "FakeClock",
    "RecordedSteps",
    "Request",
    "ScriptedVendor",
    "assert_no_secrets",
    "fake_clock",
    "policies_off",
    "record_steps",
]
