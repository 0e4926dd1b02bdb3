"""Tests whose bounds are real seconds: of a socket, a process or a server."""

from __future__ import annotations

import pytest

real_time = pytest.mark.flaky(reruns=2)
"""Another program may have this machine's cores for longer than such a test allows, which is no
fault of what it tests. It is tried again then, and the summary of the run says so."""
