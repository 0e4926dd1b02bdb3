"""A hook for the threads of boto3's managed transfers (`upload_file`, `download_file`, …).

s3transfer hands its work to threads of its own; what it hands over inside an open call runs there
with that call open, so its requests are admitted, bounded by the deadline and filed.

Not seen: transfers by the AWS Common Runtime (`boto3[crt]`; choose
`TransferConfig(preferred_transfer_client="classic")`), which is no Python, and s3transfer's
process pool. A function's own threads are not seen either, unless it hands its context over:

    executor.submit(contextvars.copy_context().run, work)
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

from resilient.call import Call, current
from resilient.http.hooks.patches import Hook, Method


def hooks(futures: ModuleType) -> Iterator[Hook]:
    """What is replaced in s3transfer.futures."""
    owner = getattr(futures, "BoundedExecutor", None)
    if owner is not None:
        yield owner, "submit", submit


def submit(
    original: Method, call: Call, executor: Any, task: Any, *args: Any, **kwargs: Any
) -> Any:
    return original(executor, _Carried(task, call), *args, **kwargs)


class _Carried:
    """A task that runs with a call open, unless that has ended meanwhile."""

    def __init__(self, task: Any, call: Call) -> None:
        self._task = task
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._call.closed:
            return self._task(*args, **kwargs)
        token = current.set(self._call)
        try:
            return self._task(*args, **kwargs)
        finally:
            current.reset(token)

    def __getattr__(self, name: str) -> Any:
        if name == "_task":  # a copy whose __init__ has not run
            raise AttributeError(name)
        return getattr(self._task, name)

    def __repr__(self) -> str:
        return repr(self._task)
