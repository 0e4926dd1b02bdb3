"""What a failing call is judged as, with all that was seen of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resilient.call import Call, Target, current
from resilient.verdict import judge_error


def judged(read: Callable[[], Any]) -> Call:
    """Run a function inside an open call, and judge what it raises."""
    call = Call.of(Target(read, service="vendor", name="read"))
    token = current.set(call)
    try:
        with pytest.raises(Exception) as raised:
            read()
    finally:
        current.reset(token)
    judge_error(call, raised.value)
    return call
