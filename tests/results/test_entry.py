"""Copies of errors that are raised again, and when a refresh may begin."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import requests

from resilient import cached
from resilient.results.entry import copied, copied_error, soft_end
from resilient.testing import FakeClock


class WordyError(Exception):
    """Its constructor makes a text of another argument: copy and pickle make a text of the text."""

    def __init__(self, code: int) -> None:
        super().__init__(f"failed with {code}")
        self.code = code


class OpenAiLike(Exception):
    """As openai and anthropic have it: what the constructor wants by name is not in `args`."""

    def __init__(self, message: str, *, response: object, body: object) -> None:
        super().__init__(message)
        self.response = response
        self.body = body
        self.status_code = 404


class StripeLike(Exception):
    def __init__(self, message: Any = None, http_body: Any = None, headers: Any = None) -> None:
        super().__init__(message)
        self._message = message
        self.http_body = http_body
        self.headers = headers or {}
        self.http_status = 404


class BotoLike(Exception):
    """As botocore.ClientError has it: it comes back as its base class, which nobody catches."""

    def __init__(self, response: dict[str, Any], operation: str) -> None:
        super().__init__(f"An error occurred when calling {operation}")
        self.response = response
        self.operation_name = operation

    def __reduce__(self) -> Any:
        return BotoLike, (self.response, self.operation_name)


class NoSuchKey(BotoLike):
    pass


class Uncopyable(Exception):
    def __init__(self) -> None:
        super().__init__("with a generator")
        self.left = (number for number in range(3))


NOT_FOUND = {"ResponseMetadata": {"HTTPStatusCode": 404}, "Error": {"Code": "NoSuchKey"}}
VENDORS = [
    WordyError(404),
    OpenAiLike("no such model", response=[404], body={"code": "model_not_found"}),
    StripeLike("No such customer", '{"error": {}}', {"request-id": "req_1"}),
    NoSuchKey(NOT_FOUND, "GetObject"),
    FileNotFoundError(2, "not there", "a file"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    KeyError("missing"),
    requests.HTTPError("404", response=requests.Response()),
]


@pytest.mark.parametrize("error", VENDORS, ids=lambda error: type(error).__name__)
def test_a_copy_of_an_error_is_of_its_type_and_says_the_same(error: Exception) -> None:
    twin = copied_error(error)
    assert type(twin) is type(error)
    assert twin is not error
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert vars(twin).keys() == vars(error).keys()


def test_a_copy_of_an_error_shares_nothing_that_can_be_changed() -> None:
    error = NoSuchKey({"Error": {}}, "GetObject")
    twin = copied_error(error)
    assert isinstance(twin, NoSuchKey)
    twin.response["Error"]["Code"] = "spoiled"
    assert error.response == {"Error": {}}


def test_the_causes_of_an_error_are_copied_with_it() -> None:
    error, cause = WordyError(404), requests.HTTPError("404 Client Error")
    error.__cause__ = cause
    twin = copied_error(error)
    assert twin is not None
    assert type(twin.__cause__) is requests.HTTPError
    assert twin.__cause__ is not cause


def test_causes_in_a_circle_come_to_an_end() -> None:
    one, other = ValueError(1), ValueError(2)
    one.__cause__, other.__cause__ = other, one
    assert copied_error(one) is not None


def test_what_cannot_be_copied_gives_none() -> None:
    assert copied_error(Uncopyable()) is None
    assert copied(x for x in "abc") is None


@pytest.mark.parametrize("error", VENDORS[1:4], ids=lambda error: type(error).__name__)
def test_an_sdks_error_is_kept_and_raised_as_what_it_was(error: Exception) -> None:
    calls = []

    @cached(ttl=10, errors_ttl=30)
    def fetch() -> None:
        calls.append(1)
        raise error

    for _ in range(3):
        with pytest.raises(type(error)) as raised:
            fetch()
        assert str(raised.value) == str(error)
    assert len(calls) == 1
    assert fetch.resilient.stats()["outcomes"]["mistake"] == 3


def test_an_error_that_is_judged_by_its_cause_is_judged_the_same_from_the_cache() -> None:
    calls = []

    @cached(ttl=10, errors_ttl=30)
    def fetch() -> None:
        calls.append(1)
        response = requests.Response()
        response.status_code = 404
        raise RuntimeError("no such thing") from requests.HTTPError("404", response=response)

    causes = []
    for _ in range(3):
        with pytest.raises(RuntimeError) as raised:
            fetch()
        causes.append(type(raised.value.__cause__))
    assert len(calls) == 1
    assert causes == [requests.HTTPError] * 3
    assert fetch.resilient.stats()["outcomes"]["mistake"] == 3


def test_an_error_that_cannot_be_copied_is_not_kept() -> None:
    calls = []

    class UncopyableNotFound(Uncopyable):
        status_code = 404

    @cached(ttl=10, errors_ttl=30)
    def fetch() -> None:
        calls.append(1)
        raise UncopyableNotFound

    for _ in range(2):
        with pytest.raises(UncopyableNotFound):
            fetch()
    assert len(calls) == 2


def test_a_raised_copy_of_a_kept_error_is_freed_as_soon_as_it_is_dropped() -> None:
    @cached(ttl=10, errors_ttl=30)
    def fetch() -> None:
        error = StripeLike("gone")
        try:
            raise error
        finally:
            del error

    gc.collect()
    gc.disable()
    try:
        dropped = []
        for _ in range(2):
            try:
                fetch()
            except StripeLike as error:
                dropped.append(weakref.ref(error))
        assert [one() for one in dropped] == [None, None]
    finally:
        gc.enable()


def test_a_refresh_may_begin_in_the_last_share_of_the_freshness(clock: FakeClock) -> None:
    # The fake clock draws the upper bound.
    assert soft_end(0.0, 100.0, 0.2) == 80.0
    assert soft_end(0.0, 100.0, 0.0) == 100.0
    assert soft_end(100.0, 90.0, 0.5) == 90.0
