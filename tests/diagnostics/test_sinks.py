from __future__ import annotations

import io
import json
import logging
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from resilient.diagnostics import log_to
from resilient.diagnostics.logs import StepLines
from resilient.errors import ConfigurationError
from tests.diagnostics.conftest import MakeCall

SECRET = "s3cr3t"
AddSink = Callable[..., int]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError(SECRET)


@pytest.fixture
def add() -> Iterator[AddSink]:
    """log_to, undone after the test."""
    added: list[int] = []

    def add_one(sink: Any, **options: Any) -> int:
        added.append(log_to(sink, **options))
        return added[-1]

    yield add_one
    for handler in added:
        logger.remove(handler)


def fail_to_log_in(password: str) -> None:
    raise PermissionError(f"no login with password={password}")


def log_an_error() -> None:
    try:
        fail_to_log_in(SECRET)
    except PermissionError:
        logger.exception("Authorization: Bearer {}", SECRET)


def test_the_final_text_is_masked_traceback_included(add: AddSink) -> None:
    stream = io.StringIO()
    add(stream)
    log_an_error()
    assert SECRET not in stream.getvalue()
    assert "Authorization: ***" in stream.getvalue()
    assert "PermissionError: no login with password=***" in stream.getvalue()


def test_variables_are_not_printed_unless_asked_for(add: AddSink) -> None:
    def halve(number: int) -> float:
        return number / 0

    naive, ours, asked = io.StringIO(), io.StringIO(), io.StringIO()
    handler = logger.add(naive)
    add(ours)
    add(asked, diagnose=True)
    try:
        halve(123_454_321)
    except ZeroDivisionError:
        logger.exception("failed")
    logger.remove(handler)
    # The trap: loguru's default prints the values of all variables in the traceback.
    assert "123454321" in naive.getvalue()
    assert "123454321" not in ours.getvalue()
    assert "123454321" in asked.getvalue()


def test_serialized_records_are_masked_in_every_field_and_remain_json(add: AddSink) -> None:
    # The trap: a patcher masks the message only.
    naive, ours = io.StringIO(), io.StringIO()
    patched = logger.patch(lambda record: record.update(message="masked"))
    handler = logger.add(naive, serialize=True)
    add(ours, serialize=True)
    try:
        fail_to_log_in(SECRET)
    except PermissionError:
        patched.bind(api_key=SECRET, note=f'{{"token": "{SECRET}"}}', n=5).exception("failed")
    logger.remove(handler)
    assert SECRET in naive.getvalue()
    assert SECRET not in ours.getvalue()
    line = json.loads(ours.getvalue())
    assert line["record"]["extra"] == {"api_key": "***", "note": '{"token": "***"}', "n": 5}
    assert line["record"]["exception"] == {
        "type": "PermissionError",
        "value": "no login with password=***",
        "traceback": True,
    }
    assert "password=***" in line["text"]


def test_serialized_records_have_the_fields_that_loguru_gives(add: AddSink) -> None:
    loguru, ours = io.StringIO(), io.StringIO()
    handler = logger.add(loguru, serialize=True, format="{message}")
    add(ours, serialize=True, format="{message}")
    logger.bind(one=1).info("hello")
    logger.remove(handler)
    assert json.loads(ours.getvalue()) == json.loads(loguru.getvalue())


def test_extra_that_json_cannot_hold_leaks_nothing(
    add: AddSink, capsys: pytest.CaptureFixture[str]
) -> None:
    naive, ours = io.StringIO(), io.StringIO()
    handler = logger.add(naive, serialize=True)
    logger.bind(pair={(1, 2): 3}).info(f"token={SECRET}")
    logger.remove(handler)
    # The trap: loguru prints the raw record to stderr.
    assert SECRET in capsys.readouterr().err
    add(ours, serialize=True)
    logger.bind(odd=Unprintable(), pair={(1, 2): 3}).info(f"token={SECRET}")
    assert capsys.readouterr().err == ""
    extra = json.loads(ours.getvalue())["record"]["extra"]
    assert extra == {"odd": "<unprintable Unprintable>", "pair": {"(1, 2)": 3}}


def test_a_sink_that_raises_does_not_make_loguru_print_the_raw_record(
    add: AddSink, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(text: str) -> None:
        raise OSError(f"disk full, token={SECRET}")

    handler = logger.add(broken)
    logger.info(f"token={SECRET}")
    logger.remove(handler)
    assert SECRET in capsys.readouterr().err
    add(broken)
    logger.info(f"token={SECRET}")
    told = capsys.readouterr().err
    assert SECRET not in told
    assert "a log sink raised OSError: disk full, token=***" in told
    assert " - token=***\n" in told


def test_a_failing_sink_and_no_stderr_is_survived(
    add: AddSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    add(closed)
    closed.close()
    for stderr in (None, closed):
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stderr", stderr)
            logger.info("hello")


@pytest.mark.parametrize(
    "template",
    ["{extra[user]} {message}", lambda record: "{extra[user]} {message}\n", lambda record: 1 / 0],
    ids=["text", "function", "raising function"],
)
def test_a_format_that_cannot_be_rendered_loses_no_line_and_leaks_nothing(
    add: AddSink, capsys: pytest.CaptureFixture[str], template: Any
) -> None:
    stream = io.StringIO()
    add(stream, format=template)
    logger.info(f"token={SECRET}")
    assert "token=***" in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_a_format_of_ones_own_is_used(add: AddSink) -> None:
    stream = io.StringIO()
    add(stream, format="{level}|{message}")
    add(stream, format=lambda record: "{message} of {extra[user]}\n")
    logger.bind(user="bob").warning("token=1")
    assert stream.getvalue() == "WARNING|token=***\ntoken=*** of bob\n"


def test_bad_color_marks_in_a_format_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match="Invalid format"):
        log_to(io.StringIO(), format="<red>{message}</green>")


def test_braces_in_a_message_are_not_formatted_again(add: AddSink) -> None:
    # The trap: the text that a format function returns is a format itself.
    stream = io.StringIO()
    add(stream)
    logger.info("{} {{x}} {y}")
    assert stream.getvalue().endswith(" - {} {{x}} {y}\n")


def test_a_raising_filter_lets_the_record_through(
    add: AddSink, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    add(stream, filter=lambda record: record["extra"]["user"] == "bob")
    logger.bind(user="eve").info("not this")
    logger.info(f"token={SECRET}")
    assert stream.getvalue().count("\n") == 1
    assert capsys.readouterr().err == ""


def test_a_queue_does_not_leak_what_cannot_be_pickled(
    add: AddSink, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    add(stream, enqueue=True)
    logger.bind(lock=lambda: None).info(f"token={SECRET}")
    logger.complete()
    assert "token=***" in stream.getvalue()
    assert capsys.readouterr().err == ""


def test_levels_are_respected(add: AddSink) -> None:
    stream = io.StringIO()
    add(stream, level="WARNING")
    logger.info("quiet")
    logger.warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


def test_a_log_file_is_private_and_masked(add: AddSink, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "app.log"
    add(path)
    logger.info("token=s3cr3t héllo")
    text = path.read_text(encoding="utf-8")
    assert text.endswith("token=*** héllo\n")
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_loguru_options_for_files_work(add: AddSink, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    add(str(path), rotation="1 KB", retention=2, encoding="utf-8")
    for _ in range(40):
        logger.info("x" * 100)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_unknown_option_is_refused_and_the_file_is_closed(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        log_to(tmp_path / "app.log", colour=True)
    with pytest.raises(TypeError):
        log_to(io.StringIO(), rotation="1 KB")
    # An unclosed file would be a ResourceWarning, which is an error here.
    with pytest.raises(ValueError, match="Level 'LOUD' does not exist"):
        log_to(tmp_path / "app.log", level="LOUD")


def test_letters_that_a_stream_cannot_write_are_escaped(add: AddSink) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")
    add(stream, format="{message}")
    logger.info("é \ud800 token=s3cr3t")
    assert raw.getvalue() == b"\\xe9 \\ud800 token=***\n"


def test_a_function_gets_masked_text_and_a_masked_record(add: AddSink) -> None:
    seen: list[Any] = []
    add(seen.append)
    try:
        fail_to_log_in(SECRET)
    except PermissionError:
        logger.bind(api_key=SECRET).exception("token=s3cr3t")
    [line] = seen
    assert SECRET not in line
    assert line.record["message"] == "token=***"
    assert line.record["extra"] == {"api_key": "***"}
    assert line.record["exception"].type is PermissionError
    assert line.record["exception"].value == "no login with password=***"


def test_masking_for_one_sink_leaves_the_record_of_others_as_it_is(add: AddSink) -> None:
    seen: list[Any] = []
    add(lambda text: None)
    handler = logger.add(lambda text: seen.append(text.record))
    logger.bind(api_key="mine").info("hello")
    logger.remove(handler)
    assert seen[0]["extra"] == {"api_key": "mine"}


def test_a_logging_handler_gets_a_masked_record_without_the_raw_exception(add: AddSink) -> None:
    class Collector(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.records: list[logging.LogRecord] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.records.append(record)

    collector = Collector()
    add(collector, format="{message}")
    log_an_error()
    [record] = collector.records
    assert (record.levelname, record.levelno) == ("ERROR", logging.ERROR)
    assert record.exc_info is None
    assert record.getMessage().startswith("Authorization: ***\nTraceback")
    assert SECRET not in str(vars(record))


@pytest.mark.parametrize("sink", [5, None])
def test_what_is_no_sink_is_refused(sink: Any) -> None:
    with pytest.raises(ConfigurationError, match="use a path, an open file"):
        log_to(sink)


def test_a_coroutine_function_is_refused() -> None:
    async def sink(text: str) -> None: ...

    with pytest.raises(ConfigurationError, match="plain function"):
        log_to(sink)


def test_a_terminal_gets_colors_and_a_file_does_not(add: AddSink) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    add(terminal)
    add(file)
    log_an_error()
    assert "\x1b[" in terminal.getvalue()
    assert "\x1b[" not in file.getvalue()
    assert SECRET not in terminal.getvalue()


def test_a_stream_that_cannot_tell_whether_it_is_a_terminal_gets_no_colors(add: AddSink) -> None:
    class Bare:
        text = ""
        is_stopped = False

        def write(self, text: str) -> None:
            self.text += text

        def stop(self) -> None:
            self.is_stopped = True

    stream = Bare()
    handler = log_to(stream)
    logger.info("hello")
    logger.remove(handler)
    assert stream.text.endswith("hello\n")
    assert "\x1b[" not in stream.text
    assert stream.is_stopped


def test_a_line_of_ours_shows_the_call_and_its_tags(
    add: AddSink, lines: StepLines, make_call: MakeCall
) -> None:
    stream = io.StringIO()
    add(stream)
    call = make_call(context={"tenant": "acme", "not a name": 1, "user": "{x} <red>"})
    call.report("retry", "attempt 1 failed")
    time, level, text = stream.getvalue().split(" | ")
    assert len(time) == len("2026-01-01 00:00:00.000")
    assert level.strip() == "INFO"
    assert text == f"github.repos: attempt 1 failed  [{call.id} tenant=acme user={{x}} <red>]\n"


def test_other_sinks_stay(add: AddSink, records: list[Any]) -> None:
    add(io.StringIO())
    logger.info("hello")
    assert len(records) == 1
