"""Checks of options: what passes, normalized, and what is refused with a remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest

from resilient import ConfigurationError, options


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), (0.5, 0.5), (timedelta(minutes=2), 120.0), (timedelta(milliseconds=1), 0.001)],
)
def test_a_time_is_normalized_to_seconds(value: Any, expected: float) -> None:
    found = options.seconds(value, "retry(wait)")
    assert found == expected
    assert type(found) is float


@pytest.mark.parametrize("value", [0, 0.0, timedelta(0)])
def test_zero_seconds_pass_only_where_they_mean_something(value: Any) -> None:
    assert options.seconds(value, "f(x)", zero=True) == 0.0
    with pytest.raises(ConfigurationError, match="more than 0 seconds"):
        options.seconds(value, "f(x)")


@pytest.mark.parametrize("value", [-1, -0.1, math.inf, -math.inf, math.nan, timedelta(-1)])
def test_a_time_that_is_no_length_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^f\(x=.*use a finite time"):
        options.seconds(value, "f(x)", zero=True)


@pytest.mark.parametrize("value", [None, "3", True, [3], Fraction(1, 2), 3j])
def test_what_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="use seconds as a number, or a timedelta"):
        options.seconds(value, "f(x)")


def test_none_may_stand_for_no_time() -> None:
    assert options.optional_seconds(None, "f(x)") is None
    assert options.optional_seconds(2, "f(x)") == 2.0
    with pytest.raises(ConfigurationError):
        options.optional_seconds(0, "f(x)")
    assert options.optional_seconds(0, "f(x)", zero=True) == 0.0


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None])
def test_a_whole_number_is_an_int_of_the_least_value_or_more(value: Any) -> None:
    assert options.whole(1, "f(x)") == 1
    assert options.whole(0, "f(x)", least=0) == 0
    with pytest.raises(ConfigurationError, match="use a whole number of 1 or more; as a hint"):
        options.whole(value, "f(x)", hint="as a hint")


@pytest.mark.parametrize(("value", "expected"), [(1, 1.0), (0.5, 0.5), (1e-9, 1e-9)])
def test_a_share_is_above_0_and_up_to_1(value: float, expected: float) -> None:
    found = options.share(value, "f(x)")
    assert found == expected
    assert type(found) is float
    assert options.share(0, "f(x)", zero=True) == 0.0


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (0, "use a share above 0 up to 1."),
        (-0.5, "use a share above 0 up to 1."),
        (50, "use a share above 0 up to 1 (for 50 % write 0.5)."),
        (101, "use a share above 0 up to 1."),
        (math.nan, "use a share above 0 up to 1."),
        (True, "use a share such as 0.5 (50 %)."),
        ("0.5", "use a share such as 0.5 (50 %)."),
        (None, "use a share such as 0.5 (50 %)."),
    ],
)
def test_what_is_no_share_is_refused(value: Any, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        options.share(value, "f(x)")
    assert str(refused.value) == f"f(x={value!r}): {remedy}"


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_a_flag_is_true_or_false_itself(value: Any) -> None:
    assert options.flag(True, "f(x)") is True
    assert options.flag(False, "f(x)") is False
    with pytest.raises(ConfigurationError, match="use True or False"):
        options.flag(value, "f(x)")


def test_a_choice_is_one_of_the_words() -> None:
    assert options.choice("a", "f(x)", ("a", "b")) == "a"
    with pytest.raises(ConfigurationError, match=r"^f\(x='c'\): use 'a' or 'b'\.$"):
        options.choice("c", "f(x)", iter(("a", "b")))


@pytest.mark.parametrize("value", [int, 3, "f"])
def test_a_function_is_no_class(value: Any) -> None:
    assert options.function(None, "f(x)") is None
    assert options.function(len, "f(x)") is len
    with pytest.raises(ConfigurationError, match="use a function, or leave it out"):
        options.function(value, "f(x)")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ValueError, (ValueError,)),
        ((ValueError, OSError), (ValueError, OSError)),
        ([ValueError], (ValueError,)),
        ({ValueError}, (ValueError,)),
        ((), ()),
    ],
)
def test_exception_types_become_a_tuple(value: Any, expected: tuple[Any, ...]) -> None:
    assert options.exception_types(value, "f(x)") == expected


@pytest.mark.parametrize("value", [int, "ValueError", ValueError(), [ValueError, 3], None])
def test_what_is_no_exception_class_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="use exception classes, such as"):
        options.exception_types(value, "f(x)")


@pytest.mark.parametrize("value", [KeyboardInterrupt, BaseException, (OSError, SystemExit)])
def test_exits_are_never_handled(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="Ctrl-C and exits are never handled"):
        options.exception_types(value, "f(x)")


def test_messages_name_the_value_as_it_would_be_written() -> None:
    for check, value, shown in [
        (options.seconds, "5", "f(x='5'): "),
        (options.whole, int, "f(x=int): "),
        (options.flag, None, "f(x=None): "),
    ]:
        refuse: Callable[..., object] = check
        with pytest.raises(ConfigurationError) as refused:
            refuse(value, "f(x)")
        assert str(refused.value).startswith(shown)
    with pytest.raises(ConfigurationError, match=r"^patience='5': "):
        options.seconds("5", "patience")


def make(name: str, *rest: int, limit: int = 1, mode: str = "a", **_: object) -> None: ...


def test_an_unknown_option_is_refused_and_the_nearest_one_suggested() -> None:
    options.known({"name": "x", "limit": 3}, make, "make")
    with pytest.raises(ConfigurationError, match=r"^make\(limt=…\): .*; did you mean limit\?$"):
        options.known({"limt": 3}, make, "make")
    with pytest.raises(ConfigurationError, match=r"use one of name, limit, mode\.$"):
        options.known({"rest": 3}, make, "make")
