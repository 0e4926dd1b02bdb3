"""Which calls are one, and how arguments are handed on."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import decimal
import enum
import functools
import inspect
import uuid
from collections import namedtuple
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.call import Call, Target
from resilient.keys import Handover, KeyMaker, Uncacheable, frozen


def key(function: Any, *args: Any, **kwargs: Any) -> Any:
    """The key of one call; made to be hashed, so it is."""
    made = KeyMaker(function)(Call.of(Target(function, service="s", name="f"), *args, **kwargs))
    hash(made)
    return made


def one(value: Any) -> None: ...


def plain(a: Any, b: Any = 2, c: Any = None) -> None: ...


def by_name(a: Any, *, b: Any = 2) -> None: ...


def by_place(a: Any, b: Any = 2, /) -> None: ...


def anything(a: Any, *rest: Any, b: Any = 2, **more: Any) -> None: ...


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = 0


@dataclasses.dataclass(frozen=True)
class FrozenPoint:
    x: Any
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(eq=False)
class Session:
    user: str


Pair = namedtuple("Pair", "left right")


class Color(enum.IntEnum):
    RED = 1


atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-3, 3).map(float),
    st.sampled_from([0.0, 1.0, 2.0]),
    st.text(max_size=2),
    st.binary(max_size=2),
    st.sampled_from([int, float, bool, str, list, tuple, dict, set, frozenset, bytes]),
    st.dates(max_value=datetime.date(2, 1, 1)),
    st.decimals(0, 2, places=1),
)


def _deeper(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.one_of(st.booleans(), st.integers(0, 2), st.text(max_size=1), st.just(1.0))
    return st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=3),
        st.sets(keys, max_size=3),
        st.frozensets(keys, max_size=3),
        st.binary(max_size=2).map(bytearray),
        st.builds(Point, inner, inner),
        st.builds(Pair, inner, inner),
    )


values = st.recursive(atoms, _deeper, max_leaves=6)


def same(left: Any, right: Any) -> bool:
    """Equal, of equal types at every depth: written another way than the keys are."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        rest = list(right.items())
        for item in left.items():
            match = next((n for n, other in enumerate(rest) if same(item, other)), None)
            if match is None:
                return False
            del rest[match]
        return not rest
    if isinstance(left, (set, frozenset)):
        return len(left) == len(right) and all(any(same(a, b) for b in right) for a in left)
    if isinstance(left, Point):
        return same((left.x, left.y), (right.x, right.y))
    return bool(left == right)


@given(values, values)
def test_two_arguments_are_one_key_just_if_they_are_equal_and_of_equal_types(
    left: Any, right: Any
) -> None:
    assert (key(one, left) == key(one, right)) is same(left, right)


@given(values)
def test_a_copy_is_the_same_key(value: Any) -> None:
    assert key(one, copy.deepcopy(value)) == key(one, value)


@given(st.lists(values, min_size=1, max_size=3))
def test_an_argument_that_looks_like_a_key_is_not_taken_for_what_it_looks_like(
    arguments: list[Any],
) -> None:
    made = frozen(arguments)
    assert frozen([made]) != made
    assert key(one, made) != key(one, arguments[0])


@given(a=values, b=values, c=values)
def test_positional_and_keyword_spellings_are_one_key(a: Any, b: Any, c: Any) -> None:
    expected = key(plain, a, b, c)
    assert key(plain, a, b, c=c) == expected
    assert key(plain, a, c=c, b=b) == expected
    assert key(plain, c=c, a=a, b=b) == expected
    assert key(by_name, a, b=b) == key(by_name, b=b, a=a)
    assert key(anything, a, b=b, x=c, y=1) == key(anything, a, y=1, x=c, b=b)


@pytest.mark.parametrize(
    ("function", "full"),
    [
        (plain, ((1, 2, None), {})),
        (by_name, ((1,), {"b": 2})),
        (by_place, ((1, 2), {})),
        (anything, ((1,), {"b": 2})),
    ],
    ids=["plain", "keyword-only", "positional-only", "open"],
)
def test_a_default_that_is_spelled_out_is_the_same_key(function: Any, full: Any) -> None:
    args, kwargs = full
    assert key(function, 1) == key(function, *args, **kwargs)
    assert key(function, 1) != key(function, 2)


def test_what_a_function_takes_openly_is_told_apart() -> None:
    assert key(anything, 1, 2) != key(anything, 1, b=2)
    assert key(anything, 1, 2, 3) != key(anything, 1, (2, 3))
    assert key(anything, 1, x=2) != key(anything, 1, {"x": 2})
    assert key(anything, 1, x=2) != key(anything, 1, x=3)
    assert key(anything, 1, x=1) != key(anything, 1, x=True)


def test_methods_are_keyed_by_instance() -> None:
    class Client:
        def get(self, number: int) -> None: ...

    first, second = Client(), Client()
    assert key(Client.get, first, 1) == key(Client.get, first, number=1)
    assert key(Client.get, first, 1) != key(Client.get, second, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(1),
        lambda kind: [kind(1)],
        lambda kind: (kind(1),),
        lambda kind: {"a": kind(1)},
        lambda kind: {kind(1): "a"},
        lambda kind: {kind(1)},
        lambda kind: frozenset({kind(1)}),
        lambda kind: Point(kind(1)),
        lambda kind: FrozenPoint(kind(1)),
        lambda kind: Pair(kind(1), 0),
        lambda kind: [{"a": (Point(FrozenPoint(kind(1))),)}],
    ],
    ids=["bare", "list", "tuple", "dict", "dict key", "set", "frozenset"]
    + ["dataclass", "frozen dataclass", "namedtuple", "deep"],
)
def test_one_and_one_point_zero_and_true_are_three_keys(make: Any) -> None:
    assert len({key(one, make(kind)) for kind in (int, float, bool)}) == 3


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([1, 2], (1, 2)),
        ({1}, frozenset({1})),
        (b"a", bytearray(b"a")),
        ("a", b"a"),
        (Color.RED, 1),
        (Pair(1, 2), (1, 2)),
        (Point(1), FrozenPoint(1)),
        (uuid.UUID(int=1), uuid.UUID(int=2)),
        (decimal.Decimal("1.5"), 1.5),
        (datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1)),
        ((float, 1.0), 1.0),
        (None, "None"),
    ],
    ids=str,
)
def test_values_of_different_types_are_different_keys(left: Any, right: Any) -> None:
    assert key(one, left) != key(one, right)


@pytest.mark.parametrize(
    "make",
    [
        lambda: decimal.Decimal("1.5"),
        lambda: uuid.UUID(int=1),
        lambda: datetime.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        lambda: datetime.timedelta(1),
        lambda: {"b": [1], "a": {2}},
        lambda: Point([1], {"a": 1}),
        lambda: FrozenPoint([1]),
        lambda: bytearray(b"a"),
    ],
)
def test_equal_values_are_one_key(make: Any) -> None:
    assert key(one, make()) == key(one, make())


def test_the_order_of_a_dict_does_not_matter() -> None:
    assert key(one, {"a": 1, "b": 2}) == key(one, {"b": 2, "a": 1})


def test_fields_that_are_not_compared_are_not_read() -> None:
    assert key(one, FrozenPoint(1, "now")) == key(one, FrozenPoint(1, "then"))


def test_objects_without_eq_stand_for_themselves() -> None:
    session = Session("ann")
    assert key(one, session) == key(one, session)
    assert key(one, session) != key(one, Session("ann"))


def test_one_moment_in_two_time_zones_is_two_arguments() -> None:
    noon = datetime.datetime(2026, 1, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))
    same_moment = noon.astimezone(ZoneInfo("Europe/London"))
    assert noon == same_moment
    assert key(one, noon) != key(one, same_moment)


def test_the_two_hours_of_the_night_when_clocks_go_back_are_two_arguments() -> None:
    early = datetime.datetime(2026, 10, 25, 2, 30)
    late = early.replace(fold=1)
    assert early == late
    assert key(one, early) != key(one, late)


def _containing_itself() -> list[Any]:
    inner: list[Any] = []
    inner.append({"a": inner})
    return inner


class _Raising:
    def __hash__(self) -> int:
        raise OSError("user:secret")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (_containing_itself(), "contains itself"),
        (_Raising(), "_Raising is not hashable"),
        ([_Raising()], "_Raising is not hashable"),
        (memoryview(bytearray(b"secret")), "memoryview is not hashable"),
        (functools.reduce(lambda inner, _: [inner], range(100_000), 0), "nested too deeply"),
    ],
    ids=["cyclic", "unhashable", "nested", "memoryview", "deep"],
)
def test_what_cannot_be_part_of_a_key_is_named_by_type_and_not_shown(
    value: Any, words: str
) -> None:
    with pytest.raises(Uncacheable, match=words) as caught:
        key(one, value)
    assert "secret" not in str(caught.value)


def test_a_dict_that_changes_while_it_is_read_is_uncacheable() -> None:
    growing: dict[Any, Any] = {}

    class Meddler:
        def __hash__(self) -> int:
            growing[len(growing)] = 1
            return 1

    growing["a"] = Meddler()
    with pytest.raises(Uncacheable, match="RuntimeError"):
        key(one, growing)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), ((1, 2, 3, 4), {}), ((1,), {"a": 1}), ((1,), {"d": 1}), ((), {"b": 1})],
    ids=["missing", "too many", "twice", "unknown", "first missing"],
)
def test_arguments_that_the_function_will_refuse_are_no_other_calls_key(
    args: Any, kwargs: Any
) -> None:
    made = key(plain, *args, **kwargs)
    assert made not in {key(plain, 1), key(plain, 1, 2), key(plain, 1, 2, 3)}
    assert made == key(plain, *args, **kwargs)


def test_a_wrong_call_does_not_look_like_a_right_one_with_a_tuple_and_a_dict() -> None:
    assert key(by_name, 1, 2, b=3) != key(by_name, (1, 2), b={"b": 3})


def test_a_wrapper_that_adds_an_argument_is_keyed_as_called() -> None:
    def with_client(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function("client", *args, **kwargs)

        return wrapper

    @with_client
    def get(client: str, user: str, page: int) -> None: ...

    assert key(get, "ann", 1) == key(get, "ann", 1)
    assert key(get, "ann", 1) != key(get, "ann", 2)
    assert key(get, "ann", page=1) != key(get, "ann", page=2)


def test_builtins_that_do_not_tell_their_signature_are_keyed_as_called() -> None:
    with pytest.raises(ValueError):
        inspect.signature(dict.pop)
    assert key(dict.pop, {"a": 1}, "a") == key(dict.pop, {"a": 1}, "a")
    assert key(dict.pop, {"a": 1}, "a") != key(dict.pop, {"a": 1}, "a", None)


def handed(
    taker: Any, function: Any, *args: Any, error: Exception | None = None, **kwargs: Any
) -> Any:
    handover = Handover(taker, function, offers_error=True)
    return handover(Call.of(Target(function, service="s", name="f"), *args, **kwargs), error)


def test_arguments_are_handed_on_in_order_whatever_the_taker_calls_them() -> None:
    def taker(x: Any, y: Any, z: Any) -> Any:
        return (x, y, z)

    assert handed(taker, plain, 1) == (1, 2, None)
    assert handed(taker, plain, a=1, c=3) == (1, 2, 3)
    assert handed(taker, plain, 1, 5, c=3) == (1, 5, 3)


def test_arguments_are_handed_on_by_name_where_the_taker_takes_names_only() -> None:
    def names_only(*, a: Any, b: Any, c: Any) -> Any:
        return (a, b, c)

    def mixed(first: Any, *, c: Any, b: Any) -> Any:
        return (first, b, c)

    assert handed(names_only, plain, 1, c=3) == (1, 2, 3)
    assert handed(mixed, plain, 1, 5, 3) == (1, 5, 3)
    assert handed(lambda a, b: (a, b), by_name, 1, b=3) == (1, 3)
    assert handed(lambda x, **more: (x, more), by_name, 1) == (1, {"b": 2})
    assert handed(lambda *args: args, plain, 1, c=3) == (1, 2, 3)


def test_open_arguments_are_handed_on() -> None:
    assert handed(lambda *args, **more: (args, more), anything, 1, 2, 3, x=4) == (
        (1, 2, 3),
        {"b": 2, "x": 4},
    )
    assert handed(lambda x, y=None, **more: (x, y, more), anything, 1, 2) == (1, 2, {"b": 2})


@pytest.mark.parametrize(
    "taker",
    [
        lambda a, b, c, error: (a, error),
        lambda error, a, b, c: (a, error),
        lambda a, b, c, *, error: (a, error),
        lambda a, b, c, extra=None, error=None: (a, error),
        lambda a, *rest, error=None: (a, error),
    ],
)
def test_the_error_finds_its_parameter_wherever_it_stands(taker: Any) -> None:
    failure = OSError()
    assert handed(taker, plain, 1, error=failure) == (1, failure)


def test_an_argument_of_the_function_that_is_called_error_stays_the_argument() -> None:
    def report(error: str) -> None: ...

    assert handed(lambda error: error, report, "mine", error=OSError()) == "mine"


@pytest.mark.parametrize(
    ("taker", "function"),
    [
        (lambda: None, one),
        (lambda a, b: None, plain),
        (lambda a, b, c, d: None, plain),
        (lambda a: None, by_name),
        (lambda x, y: None, by_name),
        (lambda a, *, region: None, one),
        (lambda b, a, c: None, plain),
    ],
    ids=["none", "too few", "too many", "no keyword", "keyword by place", "more", "swapped"],
)
def test_a_taker_that_cannot_take_the_arguments_is_refused(taker: Any, function: Any) -> None:
    with pytest.raises(TypeError):
        Handover(taker, function)


def test_what_open_arguments_will_hold_is_not_guessed() -> None:
    def open_only(*rest: Any, **more: Any) -> None: ...

    assert handed(lambda x, y: (x, y), open_only, 1, y=2) == (1, 2)
    with pytest.raises(TypeError):
        handed(lambda x, y: (x, y), open_only, 1)
