"""Keys as bytes: the same in every process, and different for different keys."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.keys import Uncacheable, frozen
from resilient.results.portable import portable
from tests.ids import said


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclass(frozen=True, eq=False)
class Token:
    value: str


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2


class Opaque:
    pass


def bytes_of(*values: Any) -> bytes:
    return portable(frozen(values))


ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.dates()
    | st.uuids()
)
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_keys_are_the_same_just_if_their_bytes_are(one: Any, other: Any) -> None:
    # Decimal("0") and Decimal("-0"), 0.0 and -0.0 are equal; as arguments they may be told apart.
    if bytes_of(one) == bytes_of(other):
        assert frozen((one,)) == frozen((other,))
    assert bytes_of(one) == bytes_of(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        ((1,), ("1",)),
        ((1,), (1.0,)),
        ((1,), (True,)),
        (("",), (None,)),
        ((b"a",), ("a",)),
        (([1, 2],), ((1, 2),)),
        (([1, 2],), ([2, 1],)),
        (({"a": 1},), ({"a": 2},)),
        ((Color.RED,), (Color.BLUE,)),
        ((Point(1, 2),), (Point(2, 1),)),
        ((date(2026, 1, 1),), (datetime(2026, 1, 1),)),
        ((Decimal("1.0"),), (Decimal("1.00"),)),
        ((-1,), ("-1",)),
        (([], []), ([[]],)),
    ],
    ids=str,
)
def test_what_differs_has_other_bytes(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert bytes_of(*one) != bytes_of(*other)


@given(st.integers(0, 31), st.integers(0, 31))
def test_flags_that_are_combined_differ_named_or_not(one: int, other: int) -> None:
    same = bytes_of(Rights(one)) == bytes_of(Rights(other))
    assert same == (one == other)


def test_the_order_of_a_dict_or_set_does_not_count() -> None:
    assert bytes_of({"a": 1, "b": 2}) == bytes_of({"b": 2, "a": 1})
    assert bytes_of({"x", "y", "z"}) == bytes_of({"z", "y", "x"})


@pytest.mark.parametrize(
    "value", [Opaque(), Token("x"), object(), len, Opaque, [Opaque()], {"a": Opaque()}], ids=said
)
def test_what_stands_for_itself_in_one_process_only_is_refused(value: Any) -> None:
    with pytest.raises(Uncacheable, match="not the same in another process"):
        bytes_of(value)


def test_an_argument_that_looks_like_an_encoded_one_is_not_taken_for_it() -> None:
    assert bytes_of([1]) != bytes_of((list, (1,))) if _can(bytes_of, (list, (1,))) else True
    assert bytes_of(bytes_of("a")) != bytes_of("a")


def _can(make: Any, value: Any) -> bool:
    try:
        make(value)
    except Uncacheable:
        return False
    return True


KEY = """
import enum
from datetime import date, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID
from resilient.keys import frozen
from resilient.results.portable import portable
print(portable(frozen((
    {"b": [1, 2.5, None], "a": {"x", "y", "z"}}, Decimal("1.10"), UUID(int=7), date(2026, 1, 2),
    timedelta(seconds=3), PurePosixPath("/a"), b"\\xff", "\\ud800",
))).hex())
"""


def test_another_process_makes_the_same_bytes() -> None:
    made = {
        subprocess.run(
            [sys.executable, "-c", KEY],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    here = bytes_of(
        {"b": [1, 2.5, None], "a": {"x", "y", "z"}},
        Decimal("1.10"),
        UUID(int=7),
        date(2026, 1, 2),
        timedelta(seconds=3),
        PurePosixPath("/a"),
        b"\xff",
        "\ud800",
    )
    assert made == {here.hex()}


def test_a_time_zone_is_part_of_it() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    same = noon.astimezone(timezone(timedelta(hours=1)))
    assert noon == same
    assert bytes_of(noon) != bytes_of(same)
