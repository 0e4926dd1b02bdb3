"""`log_to`: a loguru sink whose final text is masked, tracebacks and serialized form included.

When formatting, queueing or writing fails, loguru prints the raw record to stderr. So nothing of
that is left to fail there: formats are tried first, JSON is made here, a sink's error ends here.
"""

from __future__ import annotations

import inspect
import logging
import os
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from loguru import logger

from resilient.diagnostics.logs import context_of
from resilient.diagnostics.masked_records import as_json, masked_record, masked_text
from resilient.diagnostics.masking import mask, masked
from resilient.errors import ConfigurationError

Sink = str | Path | TextIO | logging.Handler | Callable[[Any], Any]

_START = "<green>{time:YYYY-MM-DD HH:mm:ss.SSS}</green> | <level>{level: <8}</level> | "
_END = "\n{exception}"
_PLACE = "<cyan>{name}</cyan>:<cyan>{function}</cyan>:<cyan>{line}</cyan> - "
_FALLBACK = "{time} | {level} | {name}:{line} - {message}\n{exception}"
_TAG = re.compile(r"[a-zA-Z_]\w*")

# What loguru's `add` takes for any sink; the other options are a file's.
_COMMON = frozenset({"filter", "colorize", "backtrace", "diagnose", "enqueue", "context", "catch"})


def log_to(sink: Sink, *, level: str | int = "INFO", **loguru_options: Any) -> int:
    """Add a loguru sink that masks every record, and return its id for `logger.remove(id)`.

    sink: a path (made readable for its owner only), an open text file, a logging.Handler, or a
        function that gets the masked text; the text's `.record` is a masked copy.
    loguru_options: as for `logger.add`, such as `serialize=True` or `rotation="10 MB"`. `diagnose`
        and `backtrace` are off unless given: they print the values of variables.

    Sinks that are there already stay, loguru's own on stderr among them; `protect` masks them too.
    """
    options = {"backtrace": False, "diagnose": False, **loguru_options}
    template = options.pop("format", None)
    is_json = bool(options.pop("serialize", False))
    if isinstance(template, str):
        _check(template)
    if callable(options.get("filter")):
        options["filter"] = _Filter(options["filter"])
    target, colorize = _opened(sink, options)
    if options.get("colorize") is None:
        options["colorize"] = colorize and not is_json
    writer = MaskingSink(target, getattr(target, "encoding", None), is_json=is_json)
    template = _Format(template, is_queued=bool(options.get("enqueue")))
    try:
        return logger.add(writer, level=level, format=template, **options)
    except Exception:
        writer.stop()
        raise


def _check(template: str) -> None:
    # loguru looks at a format's color marks when a sink is added; ours is a function, whose marks
    # it would only see, and stumble over, line by line.
    probe = logger.add(_nowhere, level=100_000, format=template)
    logger.remove(probe)


def _nowhere(text: str) -> None:
    return None


def _opened(sink: Any, options: dict[str, Any]) -> tuple[Any, bool]:
    """Something with `write`, and whether colors suit it; takes a file's options out."""
    if isinstance(sink, (str, os.PathLike)):
        # Rotation, retention and compression live in loguru's class, which it does not export.
        from loguru._file_sink import FileSink

        open_file: Any = FileSink
        of_file = {name: options.pop(name) for name in list(options) if name not in _COMMON}
        return open_file(sink, **{"opener": _private, **of_file}), False
    if callable(getattr(sink, "write", None)):
        return _StreamTarget(sink), _is_terminal(sink)
    if isinstance(sink, logging.Handler):
        return _HandlerTarget(sink), False
    if inspect.iscoroutinefunction(sink) or not callable(sink):
        raise ConfigurationError(
            f"log_to({type(sink).__name__}): use a path, an open file, a logging.Handler or a "
            "plain function."
        )
    return _FunctionTarget(sink), False


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_terminal(stream: Any) -> bool:
    try:
        # loguru translates colors for old Windows consoles, but only if it knows the stream.
        return os.name != "nt" and bool(stream.isatty())
    except Exception:
        return False


class Masked(str):
    """The masked text of one record; `record` is loguru's, masked as well for a user's function."""

    __slots__ = ("record",)
    record: Mapping[str, Any]


class MaskingSink:
    """What loguru writes to; never raises, since loguru would print the raw record."""

    def __init__(self, target: Any, encoding: str | None, *, is_json: bool) -> None:
        self._target = target
        self._is_json = is_json
        self.encoding = encoding or "utf-8"

    def write(self, message: Any) -> None:
        text = ""
        try:
            record = message.record
            make = as_json if self._is_json else masked_text
            text = make(str(message), record)
            try:
                self._target.write(_with_record(text, record))
            except UnicodeEncodeError:
                plain = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
                self._target.write(_with_record(plain, record))
        except Exception as error:
            _complain(error, text)

    def stop(self) -> None:
        try:
            self._target.stop()
        except Exception as error:  # what a full disk could not take is lost already
            _complain(error, "")


def _with_record(text: str, record: Mapping[str, Any]) -> Masked:
    line = Masked(text)
    line.record = record
    return line


def _complain(error: Exception, text: str) -> None:
    try:
        sys.stderr.write(mask(f"resilient: a log sink raised {type(error).__name__}: {error}\n"))
        sys.stderr.write(text)
    except Exception:
        # Nobody is left to tell.
        return


class _StreamTarget:
    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None)

    def write(self, line: Masked) -> None:
        self._stream.write(line)
        flush = getattr(self._stream, "flush", None)
        if callable(flush):
            flush()

    def stop(self) -> None:
        # A stream belongs to whoever opened it.
        stop = getattr(self._stream, "stop", None)
        if callable(stop):
            stop()


class _FunctionTarget:
    def __init__(self, function: Callable[[Masked], Any]) -> None:
        self._function = function

    def write(self, line: Masked) -> None:
        line.record = masked_record(line.record)
        self._function(line)

    def stop(self) -> None:
        return None


class _HandlerTarget:
    def __init__(self, handler: logging.Handler) -> None:
        self._handler = handler

    def write(self, line: Masked) -> None:
        record = line.record
        # Without exc_info: a handler that formats it by itself would not mask it.
        plain = logging.LogRecord(
            name=record["name"] or "",
            level=record["level"].no,
            pathname=record["file"].path,
            lineno=record["line"],
            msg=str(line).rstrip("\n"),
            args=(),
            exc_info=None,
            func=record["function"],
        )
        plain.levelname = record["level"].name
        plain.extra = masked(dict(record["extra"]))
        self._handler.handle(plain)

    def stop(self) -> None:
        self._handler.close()


class _Filter:
    """A user's filter; one that fails lets the record through."""

    def __init__(self, wanted: Callable[[Any], bool]) -> None:
        self._wanted = wanted

    def __call__(self, record: Any) -> bool:
        try:
            return bool(self._wanted(record))
        except Exception:
            return True


class _Format:
    """The format of a line: the user's if it can be rendered, else one that always can."""

    def __init__(self, template: str | Callable[[Any], str] | None, *, is_queued: bool) -> None:
        self._template = template
        self._is_queued = is_queued

    def __call__(self, record: Any) -> str:
        if self._is_queued and not _can_be_pickled(record["extra"]):
            record["extra"] = masked(dict(record["extra"]))
        if self._template is None:
            return _human(record)
        try:
            template = self._template
            template = template(record) if callable(template) else template + _END
            template.format_map({**record, "exception": ""})
        except Exception:
            return _FALLBACK
        return template


def _human(record: Mapping[str, Any]) -> str:
    extra = record["extra"]
    if not str(record["name"]).startswith("resilient."):
        return f"{_START}{_PLACE}<level>{{message}}</level>{_END}"
    tags = [f"{tag}={{extra[context][{tag}]}}" for tag in context_of(extra) if _TAG.fullmatch(tag)]
    if "call" in extra:
        tags.insert(0, "{extra[call]}")
    tail = f"  <dim>[{' '.join(tags)}]</dim>" if tags else ""
    return f"{_START}<level>{{message}}</level>{tail}{_END}"


def _can_be_pickled(extra: Mapping[str, Any]) -> bool:
    try:
        pickle.dumps(extra)
    except Exception:
        return False
    return True
