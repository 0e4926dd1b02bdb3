from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from resilient.diagnostics import log_to
from resilient.diagnostics.protect import protect

SECRET = "s3cr3t"


@pytest.fixture
def add() -> Iterator[Callable[..., int]]:
    """Sinks of the application's own, removed after the test."""
    added: list[int] = []

    def add_one(sink: Any, **options: Any) -> int:
        added.append(logger.add(sink, **options))
        return added[-1]

    yield add_one
    for handler in added:
        logger.remove(handler)


@pytest.fixture
def protected() -> Iterator[Callable[[], Callable[[], None]]]:
    undone: list[Callable[[], None]] = []

    def call() -> Callable[[], None]:
        undone.append(protect())
        return undone[-1]

    yield call
    for undo in reversed(undone):
        undo()


def log_an_error() -> None:
    def login(password: str) -> None:
        raise PermissionError(f"no login with password={password}")

    try:
        login(SECRET)
    except PermissionError:
        logger.exception("Authorization: Bearer {}", SECRET)


def test_what_existing_sinks_write_is_masked_and_undo_ends_it(add: Any, protected: Any) -> None:
    stream = io.StringIO()
    add(stream, format="{message}")
    undo = protected()
    logger.info("token={}", SECRET)
    undo()
    logger.info("token={}", SECRET)
    assert stream.getvalue() == f"token=***\ntoken={SECRET}\n"


def test_tracebacks_and_the_values_that_diagnose_shows_are_masked(add: Any, protected: Any) -> None:
    stream = io.StringIO()
    add(stream, diagnose=True, backtrace=True)
    protected()
    log_an_error()
    assert SECRET not in stream.getvalue()
    assert "PermissionError: no login with password=***" in stream.getvalue()


def test_serialized_records_are_masked_and_remain_json(add: Any, protected: Any) -> None:
    stream = io.StringIO()
    add(stream, serialize=True, format="{message}")
    protected()
    logger.bind(api_key=SECRET, n=5, body={"password": 12345}).info("token={}", SECRET)
    line = json.loads(stream.getvalue())
    assert line["text"] == "token=***\n"
    assert line["record"]["message"] == "token=***"
    assert line["record"]["extra"] == {"api_key": "***", "n": 5, "body": {"password": "***"}}


def test_a_file_with_rotation_is_masked(add: Any, protected: Any, tmp_path: Path) -> None:
    add(tmp_path / "app.log", rotation="1 KB", format="{message}")
    protected()
    for _ in range(50):
        logger.info("x" * 50 + " token=" + SECRET)
    files = list(tmp_path.iterdir())
    assert len(files) > 1
    assert all(SECRET not in file.read_text() for file in files)


def test_a_function_gets_masked_text_and_a_masked_record(add: Any, protected: Any) -> None:
    seen: list[Any] = []
    add(seen.append)
    protected()
    log_an_error()
    [line] = seen
    assert SECRET not in line
    assert line.record["message"] == "Authorization: ***"
    assert line.record["exception"].type is PermissionError
    assert SECRET not in str(line.record["exception"].value)


def test_a_logging_handler_gets_no_raw_exception(add: Any, protected: Any) -> None:
    class Collector(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.records: list[logging.LogRecord] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.records.append(record)

    collector = Collector()
    add(collector)
    protected()
    log_an_error()
    [record] = collector.records
    assert SECRET not in str(vars(record))
    assert record.exc_info is None
    assert "PermissionError: no login with password=***" in record.getMessage()


def test_a_queue_is_masked(add: Any, protected: Any) -> None:
    stream = io.StringIO()
    add(stream, enqueue=True, format="{message}")
    protected()
    logger.info("token={}", SECRET)
    logger.complete()
    assert stream.getvalue() == "token=***\n"


def test_a_coroutine_is_masked_and_its_error_too(
    add: Any, protected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    async def sink(text: str) -> None:
        seen.append(text)
        raise OSError(f"token={SECRET}")

    async def run() -> None:
        add(sink, format="{message}")
        protected()
        logger.info("token={}", SECRET)
        await logger.complete()

    asyncio.run(run())
    assert seen == ["token=***\n"]
    told = capsys.readouterr().err
    assert "OSError: token=***" in told
    assert SECRET not in told


def test_a_failing_sink_does_not_make_loguru_print_the_raw_record(
    add: Any, protected: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(text: str) -> None:
        raise OSError(f"disk full, token={SECRET}")

    add(broken)
    protected()
    logger.bind(api_key=SECRET).info("token={}", SECRET)
    told = capsys.readouterr().err
    assert SECRET not in told
    assert "OSError: disk full, token=***" in told
    assert "Logging error in Loguru Handler" in told


def test_a_failing_sink_and_no_stderr_is_survived(
    add: Any, protected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(lambda text: 1 / 0)
    protected()
    monkeypatch.setattr(sys, "stderr", None)
    logger.info("hello")


def test_a_sink_that_may_raise_still_does(add: Any, protected: Any) -> None:
    add(lambda text: 1 / 0, catch=False)
    protected()
    with pytest.raises(ZeroDivisionError):
        logger.info("hello")


def test_protecting_twice_masks_once_and_each_undo_takes_back_its_own(
    add: Any, protected: Any
) -> None:
    first, second = io.StringIO(), io.StringIO()
    add(first, format="{message}")
    undo_first = protected()
    add(second, format="{message}")
    undo_second = protected()
    undo_second()
    logger.info("token={}", SECRET)
    undo_first()
    undo_first()
    logger.info("token={}", SECRET)
    assert first.getvalue() == f"token=***\ntoken={SECRET}\n"
    assert second.getvalue() == f"token={SECRET}\n" * 2


def test_sinks_that_mask_already_and_the_order_of_sinks_stay(add: Any, protected: Any) -> None:
    order: list[str] = []
    add(lambda text: order.append("first"))
    add(lambda text: order.append("second"))
    handler = log_to(lambda text: order.append("third"))
    protected()
    logger.info("hello")
    logger.remove(handler)
    assert order == ["first", "second", "third"]


def test_a_protected_sink_is_stopped_when_it_is_removed(protected: Any) -> None:
    class Stream:
        is_stopped = False

        def write(self, text: str) -> None: ...

        def stop(self) -> None:
            self.is_stopped = True

    stream = Stream()
    handler = logger.add(stream)
    undo = protected()
    logger.remove(handler)
    assert stream.is_stopped
    undo()
