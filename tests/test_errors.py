"""The errors: which of them are caught by what, and what they carry."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pybreaker
import pytest
import ratelimit

from resilient import (
    BreakerOpen,
    BulkheadFull,
    ConfigurationError,
    DeadlineExceeded,
    OrderWarning,
    RateLimited,
    Refused,
    ResilientError,
    errors,
)

REFUSALS = [BreakerOpen, RateLimited, BulkheadFull, DeadlineExceeded]
each_refusal = pytest.mark.parametrize("kind", REFUSALS)


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (ConfigurationError, (ResilientError, ValueError)),
        (BreakerOpen, (Refused, pybreaker.CircuitBreakerError)),
        (RateLimited, (Refused, ratelimit.RateLimitException)),
        (BulkheadFull, (Refused,)),
        (DeadlineExceeded, (Refused, TimeoutError)),
        (Refused, (ResilientError,)),
        (ResilientError, (Exception,)),
        (OrderWarning, (UserWarning,)),
    ],
)
def test_errors_are_caught_by_what_applications_catch_already(
    kind: type[BaseException], bases: tuple[type[BaseException], ...]
) -> None:
    assert all(issubclass(kind, base) for base in bases)


def test_the_docstring_shows_every_error() -> None:
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and kind.__module__ == errors.__name__:
            assert name in str(errors.__doc__)


@each_refusal
def test_a_refusal_says_what_happened_to_whom_and_for_how_long(kind: type[Refused]) -> None:
    error = kind("github: come back later", label="github.repos", retry_after=12.5)
    assert str(error) == "github: come back later"
    assert error.args == ("github: come back later",)
    assert (error.label, error.retry_after) == ("github.repos", 12.5)
    bare = kind("no more is known")
    assert (bare.label, bare.retry_after) == ("", None)


def test_a_rate_limit_has_the_remaining_period_as_ratelimit_gives_it() -> None:
    assert RateLimited("full", retry_after=3.5).period_remaining == 3.5
    assert RateLimited("full").period_remaining == 0.0


@each_refusal
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_refusal_survives_pickling_with_all_it_knows(kind: type[Refused], protocol: int) -> None:
    error = kind("later", label="github.repos", retry_after=2.0)
    error.__dict__["__notes__"] = ["its story"]
    for copied in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):
        assert type(copied) is kind
        assert str(copied) == "later"
        assert copied.args == error.args
        assert vars(copied) == vars(error)


def refuse() -> None:
    raise DeadlineExceeded("over", label="github.repos", retry_after=1.0)


@pytest.mark.stress
def test_a_refusal_comes_back_from_a_process_pool() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        with pytest.raises(DeadlineExceeded) as raised:
            pool.submit(refuse).result()
    assert (raised.value.label, raised.value.retry_after) == ("github.repos", 1.0)
