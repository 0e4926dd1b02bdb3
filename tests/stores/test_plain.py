"""The plain serializer: everything comes back as it was, or is refused."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import datetime as dt
import enum
import json
import math
import pathlib
import sys
import uuid
import zoneinfo
from collections.abc import Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.stores import tags
from resilient.stores.plain import Unreadable, Unstorable, dumps, loads, register
from tests.stores.plain_types import (
    Box,
    Chatty,
    Color,
    Copied,
    Failed,
    Frozen,
    Issue,
    Level,
    Point,
    Rights,
    Slotted,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
HASHABLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters())
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.times()
    | st.timedeltas()
    | st.sampled_from([*Color, *Level, *Rights, Rights.READ | Rights.WRITE, Rights(0)])
)
ANYTHING = st.recursive(
    HASHABLE | st.floats() | st.complex_numbers() | st.binary().map(bytearray),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.tuples(inner, inner)
        | st.sets(HASHABLE, max_size=3)
        | st.frozensets(HASHABLE, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Box, inner)
    ),
    max_leaves=15,
)


def shown(value: Any) -> Any:
    """With types, and so that nan equals nan."""
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, map(shown, value)))
    if isinstance(value, dict):
        return [(shown(key), shown(one)) for key, one in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [shown(one) for one in value]
    if isinstance(value, Box):
        return Box, shown(value.content)
    if isinstance(value, (dt.datetime, dt.time)):
        return repr(value), value.fold
    return type(value), repr(value)


@given(JSON)
def test_json_is_written_as_json_and_read_without_a_look_at_it(value: Any) -> None:
    data = dumps(value)
    assert data[:1] == b"j"
    assert shown(json.loads(data[1:])) == shown(value)
    assert shown(loads(data)) == shown(value)
    assert shown(loads(memoryview(data))) == shown(value)


@given(ANYTHING)
def test_what_people_return_comes_back_as_it_was(value: Any) -> None:
    assert shown(loads(dumps(value))) == shown(value)


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        -0.0,
        1e308 * 10,
        "half \ud83d",
        "\ud83d\ude00 two halves, no character",
        {"\udc00": 1},
        {"~": ["set", [1]]},
        {"~": 1, "a": {2, 3}},
        [{"~": ["dict", []]}, (1,)],
        {1: "int", "1": "text", None: "none", (1, "a"): "tuple", 2.5: b"x"},
        Decimal("1.10"),
        Decimal("NaN123"),
        Decimal("-Infinity"),
        dt.datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(seconds=-1, microseconds=1), "odd")),
        dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc),
        dt.time(23, 59, 59, 999999, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        dt.timedelta.min,
        dt.date.max,
        uuid.UUID(int=0),
        pathlib.PurePosixPath("/a/b"),
        pathlib.PureWindowsPath("c:\\a"),
        pathlib.Path("a/b"),
        complex(-0.0, math.inf),
        bytearray(b"\xff"),
        frozenset({frozenset({1}), (2,)}),
        Rights.READ | Rights.WRITE,
        Level.HIGH,
        Point(1, 2.0),
        Issue(1, "é", ["bug"], Issue(2, "parent")),
        Frozen(Color.BLUE),
        Slotted(1, (2, 3)),
        Box[int](1),
        (),
        [[], {}, set(), ""],
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_odd_ones_come_back_too(value: Any) -> None:
    back = loads(dumps(value))
    assert (type(back), repr(back)) == (type(value), repr(value))
    if value == value:  # not nan
        assert back == value


def test_a_small_limit_for_the_digits_of_numbers_does_no_harm() -> None:
    if not hasattr(sys, "set_int_max_str_digits"):
        pytest.skip("this Python has no limit")
    assert loads(dumps([2**20_000, -(10**5000)])) == [2**20_000, -(10**5000)]
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        for power in (600, 639, 640, 5000):
            assert loads(dumps([10**power])) == [10**power]
    finally:
        sys.set_int_max_str_digits(before)


def test_a_constructor_is_not_run_again() -> None:
    data, before = dumps(Issue(1, "a")), Issue.made
    assert loads(data) == Issue(1, "a")
    assert Issue.made == before + 1


def test_what_can_be_computed_again_is_no_reason_to_refuse() -> None:
    value = Frozen(Color.RED)
    assert value.name == "RED"
    assert loads(dumps(value)).name == "RED"


def _local() -> Any:
    @dataclasses.dataclass
    class Local:
        a: int

    return Local(1)


class Text(str):
    pass


class Plain:
    pass


class Zone(dt.tzinfo):
    def utcoffset(self, moment: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(0)


def _holds_itself() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def _nested() -> list[Any]:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    return value


def _unset() -> Slotted:
    return object.__new__(Slotted)


@pytest.mark.parametrize(
    "value",
    [
        Plain(),
        Plain,
        len,
        iter([]),
        object(),
        Text("a"),
        {Text("a"): 1},
        [Text("a")],
        collections.OrderedDict(a=1),
        collections.defaultdict(list),
        collections.Counter("a"),
        collections.deque([1]),
        ValueError("a"),
        Failed(1),
        Chatty(1),
        Copied(1),
        _local(),
        _unset(),
        _holds_itself(),
        _nested(),
        dt.datetime(2026, 1, 1, tzinfo=Zone()),
        range(3),
        memoryview(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_lose_something_is_refused(value: Any) -> None:
    for wrapped in (value, {"in": [1, value]}):
        with pytest.raises(Unstorable, match=r"can't be kept in a shared store: .*pickle"):
            dumps(wrapped)


def test_a_refusal_names_the_type_and_never_shows_the_value() -> None:
    with pytest.raises(Unstorable) as caught:
        dumps({"token": Text("secret")})
    assert "test_plain.Text" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module whose classes change."""
    made = ModuleType("of_another_release")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def _place(module: ModuleType, kind: Any) -> Any:
    kind.__module__, kind.__qualname__ = module.__name__, "Thing"
    module.Thing = kind  # type: ignore[attr-defined]
    return kind


def test_a_dataclass_that_has_other_fields_by_now_is_unreadable(module: ModuleType) -> None:
    data = dumps(_place(module, dataclasses.make_dataclass("Thing", ["a", "b"]))(1, 2))
    assert loads(data).b == 2
    for fields in (["a"], ["a", "b", "c"], ["a", "x"]):
        _place(module, dataclasses.make_dataclass("Thing", fields))
        with pytest.raises(Unreadable, match="other fields"):
            loads(data)


def test_a_named_tuple_that_has_other_fields_by_now_is_unreadable(module: ModuleType) -> None:
    data = dumps(_place(module, collections.namedtuple("Thing", ["a", "b"]))(1, 2))
    _place(module, collections.namedtuple("Thing", ["b", "a"]))
    with pytest.raises(Unreadable, match="other fields"):
        loads(data)


def test_an_enum_that_lost_the_member_is_unreadable(module: ModuleType) -> None:
    data = dumps(_place(module, enum.Enum("Thing", ["A", "B"])).B)  # type: ignore[attr-defined]
    _place(module, enum.Enum("Thing", ["A"]))
    with pytest.raises(Unreadable):
        loads(data)


@pytest.mark.parametrize("tag", ["enum", "dataclass", "namedtuple"])
@pytest.mark.parametrize(
    ("home", "name"),
    [
        ("os", "system"),
        ("builtins", "eval"),
        ("subprocess", "Popen"),
        ("builtins", "tuple"),
        ("no.such.module", "Thing"),
        ("tests.stores.plain_types", "Nobody"),
        ("tests.stores.plain_types", "Color.__class__"),
    ],
)
def test_only_a_class_of_its_kind_is_made(tag: str, home: str, name: str) -> None:
    content: dict[str, Any] = {
        "enum": [home, name, ["name", "RED"]],
        "dataclass": [home, name, {"args": "true"}],
        "namedtuple": [home, name, ["x"], [1]],
    }
    with pytest.raises(Unreadable):
        loads(b"t" + json.dumps({"~": [tag, content[tag]]}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"j",
        b"x1",
        b"j{",
        b"j1 2",
        b"j\xff",
        b't{"~": ["nobody", 1]}',
        b't{"~": 1}',
        b't{"~": ["datetime", "x"]}',
        b't{"~": ["set", [[]]]}',
        b't{"~": ["int", "x"]}',
        b"j" + b"[" * 100_000,
        b"j" + b"9" * 10_000,
    ],
    ids=range(13),
)
def test_what_is_no_value_is_unreadable(data: bytes) -> None:
    with pytest.raises(Unreadable):
        loads(data)


@given(st.binary())
def test_bytes_of_chance_raise_nothing_else(data: bytes) -> None:
    for form in (b"", b"j", b"t"):
        with contextlib.suppress(Unreadable):
            loads(form + data)


@pytest.fixture
def registered() -> Iterator[None]:
    kinds, readers = dict(tags.registered), dict(tags.readers)
    yield
    tags.registered.clear()
    tags.registered.update(kinds)
    tags.readers.clear()
    tags.readers.update(readers)


@pytest.mark.usefixtures("registered")
def test_a_registered_type_is_kept() -> None:
    register(Text, "text", lambda text: [str(text), b"more"], lambda content: Text(content[0]))
    back = loads(dumps({"a": (Text("x"),)}))
    assert type(back["a"][0]) is Text
    # The same once more, as a module does that is loaded again.
    register(Text, "text", lambda text: [str(text)], lambda content: Text(content[0]))


@pytest.mark.usefixtures("registered")
def test_two_types_cannot_have_one_tag() -> None:
    with pytest.raises(ValueError, match="use one of your own"):
        register(Text, "set", str, Text)


def test_a_class_inside_a_function_cannot_be_found_again() -> None:
    class Inside(NamedTuple):
        a: int

    with pytest.raises(Unstorable, match="can't be found by its name"):
        dumps(Inside(1))
