"""Vary (RFC 9111 4.1)."""

from __future__ import annotations

from tests.http.caching.scenarios import MAX, Steps, asks, brings, confirms, hits, never, twice

SCENARIOS: dict[str, Steps] = {
    "4.1 the same value": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1"}),
        hits(1, send={"X-A": "1"}),
    ),
    "4.1 another value": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1"}),
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "2"}),
    ),
    "4.1 both are kept": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1"}),
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "2"}),
        hits(1, send={"X-A": "1"}),
        hits(2, send={"X-A": "2"}),
    ),
    "4.1 no value is another than any": (
        asks(brings(MAX, "Vary: X-A")),
        hits(1),
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1"}),
        hits(1),
    ),
    "4.1 any value is another than none": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1"}),
        asks(brings(MAX, "Vary: X-A")),
    ),
    "4.1 names in any case": (
        asks(brings(MAX, "Vary: x-A"), send={"X-a": "1"}),
        hits(1, send={"x-a": "1"}),
    ),
    "4.1 values are told apart by case": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "a"}),
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "A"}),
    ),
    "4.1 two fields": (
        asks(brings(MAX, "Vary: X-A, X-B"), send={"X-A": "1", "X-B": "1"}),
        hits(1, send={"X-B": "1", "X-A": "1"}),
        asks(brings(MAX, "Vary: X-A, X-B"), send={"X-A": "1", "X-B": "2"}),
        asks(brings(MAX, "Vary: X-A, X-B"), send={"X-A": "1"}),
    ),
    "4.1 two lines of Vary": (
        asks(brings(MAX, "Vary: X-A", "Vary: X-B"), send={"X-A": "1", "X-B": "1"}),
        hits(1, send={"X-B": "1", "X-A": "1"}),
        asks(brings(MAX, "Vary: X-A, X-B"), send={"X-A": "1", "X-B": "2"}),
    ),
    "4.1 what Vary does not name makes no difference": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1", "X-B": "1"}),
        hits(1, send={"X-A": "1", "X-B": "2"}),
    ),
    "4.1 *": never(brings(MAX, "Vary: *")),
    "4.1 * beside others": never(brings(MAX, "Vary: X-A, *")),
    "4.1 * in another line": never(brings(MAX, "Vary: X-A", "Vary: *")),
    "4.1 an empty Vary": twice(brings(MAX, "Vary: ")),
    "4.1 an empty member": twice(brings(MAX, "Vary: , X-A")),
    "4.1 spaces in a list do not count": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "a,b"}),
        hits(1, send={"X-A": "a,  b"}),
    ),
    "4.1 order of languages counts: origins take it for a preference": (
        asks(brings(MAX, "Vary: Accept-Language"), send={"Accept-Language": "en, de"}),
        asks(brings(MAX, "Vary: Accept-Language"), send={"Accept-Language": "de, en"}),
    ),
    "4.1 case of languages": (
        asks(brings(MAX, "Vary: Accept-Language"), send={"Accept-Language": "en, de"}),
        hits(1, send={"Accept-Language": "EN,  DE"}),
    ),
    "4.1 an answer with other Vary takes part": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1", "X-B": "1"}),
        asks(brings(MAX, "Vary: X-B"), send={"X-A": "2", "X-B": "2"}),
        hits(1, send={"X-A": "1", "X-B": "1"}),
        hits(2, send={"X-A": "3", "X-B": "2"}),
        asks(brings(MAX, "Vary: X-B"), send={"X-A": "3", "X-B": "3"}),
    ),
    "4.1 Cookie": (
        asks(brings(MAX, "Vary: Cookie"), send={"Cookie": "a=1"}),
        hits(1, send={"Cookie": "a=1"}),
        asks(brings(MAX, "Vary: Cookie"), send={"Cookie": "a=2"}),
    ),
    "4.1 the tags of all variants are asked about": (
        asks(brings(MAX, "Vary: X-A", 'ETag: "a"'), send={"X-A": "1"}),
        asks(brings(MAX, "Vary: X-A", 'ETag: "b"'), send={"X-A": "2"}),
        confirms(
            1,
            brings(MAX, "Vary: X-A", 'ETag: "a"'),
            send={"X-A": "3"},
            sees={"If-None-Match": '"b", "a"'},
        ),
        hits(1, send={"X-A": "3"}),
        hits(2, send={"X-A": "2"}),
    ),
    "4.1 a failure does not take the place of a variant": (
        asks(brings(MAX, "Vary: X-A"), send={"X-A": "1"}),
        asks("", status=500, send={"X-A": "2"}),
        hits(1, send={"X-A": "1"}),
    ),
}
