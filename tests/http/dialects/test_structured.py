"""Lists of structured fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.dialects.structured import Item, members_of, policies_of


@pytest.mark.parametrize(
    ("told", "items"),
    [
        ('"default";r=50;t=30', [Item(("default",), {"r": "50", "t": "30"})]),
        ("default; r=50 ", [Item(("default",), {"r": "50"})]),
        ("100;w=60, 5;w=1", [Item(("100",), {"w": "60"}), Item(("5",), {"w": "1"})]),
        ('"a, b; c";q=10', [Item(("a, b; c",), {"q": "10"})]),
        (r'"say \"x\\y\"";q=1', [Item((r'say "x\y"',), {"q": "1"})]),
        ('"u";pk=:YQ==:;r=1', [Item(("u",), {"pk": "YQ==", "r": "1"})]),
        ('"u";qu="content-bytes";flag', [Item(("u",), {"qu": "content-bytes", "flag": ""})]),
        ('"fixed window";"api";q=500', [Item(("fixed window", "api"), {"q": "500"})]),
        ("", []),
    ],
)
def test_a_list_is_read(told: str, items: list[Item]) -> None:
    assert members_of(told) == items
    assert policies_of(told) == items


@pytest.mark.parametrize(
    "told",
    [
        '"default;r=5;t=3',
        '"default";r=;t=',
        ",",
        '"a",',
        '"a",,"b"',
        "unlimited! yes",
        '"a" "b"',
        "=5",
        '"a";',
        '"a";=5',
        "ü;r=5",
        "a;r=5" + " " * 5000,
    ],
)
def test_a_malformed_list_has_no_members_at_all(told: str) -> None:
    assert members_of(told) == []


def test_only_so_many_members_are_read() -> None:
    assert 0 < len(members_of(",".join("a;r=1" for _ in range(500)))) < 100


@given(st.text(max_size=300) | st.text('";,=: rtqw\\0123456789', max_size=300))
def test_no_text_makes_the_reader_raise(told: str) -> None:
    assert isinstance(members_of(told), list)
