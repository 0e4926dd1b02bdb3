"""`protect`: what the application's own loguru sinks write is masked too.

A sink stays where it is, with its level, filter and format; only what it is handed is masked. The
same goes for what loguru itself prints to stderr when a sink fails, which is the raw record.
"""

from __future__ import annotations

import io
import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from loguru import logger

from resilient.diagnostics.masked_records import as_json, masked_record, masked_text
from resilient.diagnostics.masking import WITHHELD, mask
from resilient.diagnostics.sinks import MaskingSink
from resilient.errors import ConfigurationError

Undo = Callable[[], None]


def protect() -> Undo:
    """Mask what all loguru sinks write that exist now, and return a function that ends it.

    Sinks that are functions get the masked text with a masked copy of the record, whose exception
    is a text. Values that `diagnose=True` shows are masked by the names of their variables. Call it
    after the last `logger.add`, or again: sinks that are masked already stay as they are.
    """
    undone = [_protect(handler) for handler in list(_handlers().values())]

    def undo() -> None:
        for one in undone:
            one()

    return undo


def _handlers() -> dict[int, Any]:
    core = getattr(logger, "_core", None)
    handlers = getattr(core, "handlers", None)
    if not isinstance(handlers, dict) or not all(
        hasattr(handler, "_sink") and hasattr(handler, "_error_interceptor")
        for handler in handlers.values()
    ):
        raise ConfigurationError(
            "protect(): this version of loguru keeps its sinks in another way. Remove the sinks "
            "and add them by log_to() instead."
        )
    return handlers


def _protect(handler: Any) -> Undo:
    sink, interceptor = handler._sink, handler._error_interceptor
    if isinstance(sink, _Protected) or isinstance(getattr(sink, "_stream", None), MaskingSink):
        return lambda: None
    protected = _Protected(sink, is_json=bool(getattr(handler, "_serialize", False)))
    quiet = _MaskedComplaints(interceptor)
    # The complaints first: between the two, nothing is written unmasked that was masked before.
    handler._error_interceptor = quiet
    handler._sink = protected
    within = getattr(sink, "_error_interceptor", None)  # a coroutine's sink has one of its own
    if within is not None:
        sink._error_interceptor = quiet

    def undo() -> None:
        if handler._sink is protected:
            handler._sink = sink
        if handler._error_interceptor is quiet:
            handler._error_interceptor = interceptor
        if within is not None and sink._error_interceptor is quiet:
            sink._error_interceptor = within

    return undo


class _Line(str):
    """The masked text of one record, with a copy of the record that is masked when asked for."""

    __slots__ = ("_copy", "_has_error", "_raw")
    _raw: Mapping[str, Any]
    _copy: dict[str, Any] | None
    _has_error: bool

    @property
    def record(self) -> dict[str, Any]:
        if self._copy is None:
            self._copy = masked_record(self._raw)
            if not self._has_error:
                self._copy["exception"] = None
        return self._copy


class _Protected:
    """Stands in for a handler's sink, with the methods that loguru calls."""

    def __init__(self, sink: Any, *, is_json: bool) -> None:
        self._sink = sink
        self._is_json = is_json
        # A logging.Handler formats the exception that it is given by itself; it is in the text.
        self._has_error = not hasattr(sink, "_handler")

    def write(self, message: Any) -> None:
        record = message.record
        line = _Line(_masked_json(message) if self._is_json else masked_text(str(message), record))
        line._raw, line._copy, line._has_error = record, None, self._has_error
        self._sink.write(line)

    def stop(self) -> None:
        self._sink.stop()

    def tasks_to_complete(self) -> Any:
        return self._sink.tasks_to_complete()


def _masked_json(message: Any) -> str:
    try:
        return as_json(str(json.loads(str(message))["text"]), message.record)
    except Exception:
        return json.dumps({"text": WITHHELD, "record": {}}) + "\n"


class _MaskedComplaints:
    """Stands in for what prints the errors of a sink, and the record with them."""

    def __init__(self, interceptor: Any) -> None:
        self._interceptor = interceptor

    def should_catch(self) -> bool:
        return bool(self._interceptor.should_catch())

    def print(self, record: Any = None, *, exception: BaseException | None = None) -> None:
        error = sys.exc_info()[1] if exception is None else exception
        text = io.StringIO()
        number = getattr(self._interceptor, "_handler_id", -1)
        text.write(f"--- Logging error in Loguru Handler #{number} ---\n")
        try:
            text.write(f"Record was: {record}\n")
        except Exception:
            text.write("Record was: /!\\ Unprintable record /!\\\n")
        if error is not None:
            text.write("".join(traceback.format_exception(type(error), error, error.__traceback__)))
        text.write("--- End of logging error ---\n")
        try:
            sys.stderr.write(mask(text.getvalue()))
        except Exception:
            # Nobody is left to tell.
            return
