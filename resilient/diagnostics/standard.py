"""Masking for the standard `logging`: a filter, and a way to have it on all handlers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from resilient.diagnostics.masking import MASK, WITHHELD, is_sensitive, mask, masked

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest is a caller's `extra`."""

_plain = logging.Formatter()


class MaskingFilter(logging.Filter):
    """Masks a record's text, traceback, stack and extra; lets every record through.

    Put it on a handler: on a logger it sees only what is logged there, not what its children hand
    up. The record is changed for the handlers behind it too, and its exception becomes text. Of
    extra, texts, dicts and lists are masked; other objects stay, whatever a format makes of them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record in place; always true."""
        try:
            if not getattr(record, "_is_masked", False):
                _mask(record)
                record._is_masked = True
        except Exception:
            record.msg, record.args = WITHHELD, ()
            record.exc_info = record.exc_text = record.stack_info = None
        return True


def _mask(record: logging.LogRecord) -> None:
    message = _message_of(record)
    record.args = ()
    record.msg = mask(message)
    if "message" in vars(record):
        record.message = record.msg
    if record.exc_info and not record.exc_text:
        record.exc_text = _plain.formatException(_error_of(record.exc_info))
    record.exc_info = None
    if record.exc_text:
        record.exc_text = mask(record.exc_text)
    if record.stack_info:
        record.stack_info = mask(record.stack_info)
    for name in [name for name in vars(record) if name not in _STANDARD]:
        value = getattr(record, name)
        if isinstance(value, (str, bytes, dict, list, tuple)):
            is_secret = bool(value) and is_sensitive(name)
            setattr(record, name, MASK if is_secret else masked(value))


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # A handler would print the record raw.
        return f"{record.msg} (arguments withheld: they don't fit)"


def _error_of(exc_info: Any) -> Any:
    return exc_info if isinstance(exc_info, tuple) else (type(exc_info), exc_info, None)


def protect_logging() -> Callable[[], None]:
    """Put a MaskingFilter on all handlers of `logging` that exist now; returns what ends it."""
    masking = MaskingFilter()
    protected = [
        handler
        for handler in _handlers()
        if not any(isinstance(one, MaskingFilter) for one in handler.filters)
    ]
    for handler in protected:
        handler.addFilter(masking)

    def undo() -> None:
        for handler in protected:
            handler.removeFilter(masking)

    return undo


def _handlers() -> Iterator[logging.Handler]:
    named = logging.root.manager.loggerDict
    others = [one for one in list(named.values()) if isinstance(one, logging.Logger)]
    loggers = [logging.root, *others]
    seen: set[int] = set()
    for handler in (*(handler for one in loggers for handler in one.handlers), logging.lastResort):
        if handler is not None and id(handler) not in seen:
            seen.add(id(handler))
            yield handler
