from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import pytest

from resilient.diagnostics.standard import MaskingFilter, protect_logging

SECRET = "s3cr3t"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(stream: io.StringIO) -> Iterator[logging.Logger]:
    """A logger of the test's own, with one masking handler."""
    log = logging.getLogger("tests.masking")
    log.propagate = False
    log.setLevel(logging.DEBUG)
    handler = logging.StreamHandler(stream)
    handler.addFilter(MaskingFilter())
    log.addHandler(handler)
    yield log
    log.removeHandler(handler)


def test_text_arguments_and_traceback_are_masked(log: logging.Logger, stream: io.StringIO) -> None:
    try:
        raise ValueError(f"token={SECRET}")
    except ValueError:
        log.exception("password=%s of %s", SECRET, "bob", stack_info=True)
    assert SECRET not in stream.getvalue().replace('f"token={SECRET}"', "")
    assert stream.getvalue().startswith("password=*** of bob\nTraceback")
    assert "ValueError: token=***" in stream.getvalue()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions have no notes before 3.11")
def test_notes_of_an_exception_are_masked(log: logging.Logger, stream: io.StringIO) -> None:
    error = ValueError("no")
    error.add_note(f"api_key={SECRET}")
    log.error("failed", exc_info=error)
    assert "api_key=***" in stream.getvalue()


def test_extra_is_masked_by_name_and_by_text(log: logging.Logger, stream: io.StringIO) -> None:
    log.handlers[0].setFormatter(logging.Formatter("%(message)s %(api_key)s %(body)s %(note)s"))
    extra = {"api_key": SECRET, "body": {"password": SECRET, "n": 1}, "note": f"token={SECRET}"}
    log.info("hello", extra=extra)
    assert stream.getvalue() == "hello *** {'password': '***', 'n': 1} token=***\n"


def test_arguments_that_do_not_fit_leak_nothing(
    log: logging.Logger, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    log.info("password=%s %d", SECRET, "x")
    assert SECRET not in stream.getvalue() + capsys.readouterr().err


def test_arguments_that_have_no_text_are_withheld(log: logging.Logger, stream: io.StringIO) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(SECRET)

        __repr__ = __str__

    log.info("%s", Broken())
    assert stream.getvalue() == "%s (arguments withheld: they don't fit)\n"


def test_all_handlers_are_protected_until_it_is_undone() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("tests.masking.other")
    log.propagate = False
    log.addHandler(handler)
    undo = protect_logging()
    again = protect_logging()
    assert sum(isinstance(one, MaskingFilter) for one in handler.filters) == 1
    log.warning("token=%s", SECRET)
    again()
    undo()
    log.warning("token=%s", SECRET)
    log.removeHandler(handler)
    assert stream.getvalue() == f"token=***\ntoken={SECRET}\n"
