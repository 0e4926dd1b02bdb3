"""Turn every policy off, so that a test meets the plain function."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from resilient import pipeline


@contextmanager
def policies_off() -> Iterator[None]:
    """Calls of decorated functions go straight to the function while the block runs.

    For the whole process, all threads included. Blocks may nest.
    """
    before = pipeline.enabled(False)
    try:
        yield
    finally:
        pipeline.enabled(before)
