from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.configuration.lines import line_of, lines_of

DOCUMENT = '''\
# services.github comes below
store = "memory://x"   # [functions]

[services.github]
mode = "observe"
throttled.rates = [
    "1/s",  # ]
    "5/hour",
]
[services."git.hub".retry]
attempts = 1
wait = """
[services.fake]
attempts = 2
"""
max_wait = 5
literal = \'\'\'
a = "[
\'\'\'
[functions]
'a.b' = { retry = { attempts = 3 } }
"c\\u0064" = { enabled = false }
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("store",), 2),
        (("services", "github"), 4),
        (("services", "github", "mode"), 5),
        (("services", "github", "throttled", "rates"), 6),
        (("services", "git.hub", "retry", "attempts"), 11),
        (("services", "git.hub", "retry", "max_wait"), 16),
        (("functions",), 20),
        (("functions", "a.b", "retry", "attempts"), 21),
        (("functions", "cd", "enabled"), 22),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_each_key_has_its_line(path: tuple[str, ...], line: int) -> None:
    assert line_of(path, lines_of(DOCUMENT)) == line


def test_what_stands_in_a_text_of_several_lines_is_no_key() -> None:
    assert ("services", "fake") not in lines_of(DOCUMENT)


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.text(max_size=8), st.lists(st.text(max_size=5), max_size=3)),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_the_keys_and_texts_the_lines_are_right(table: dict[str, object]) -> None:
    tomllib = pytest.importorskip("tomllib")

    def toml(value: object) -> str:
        return json.dumps(value).replace("\x7f", "\\u007f")

    lines = [f"{toml(key)} = {toml(value)}" for key, value in table.items()]
    text = "\n\n".join(lines)
    try:
        assert tomllib.loads(text) == table
    except tomllib.TOMLDecodeError:  # JSON's escapes of surrogates are none of TOML's
        return
    found = lines_of(text)
    assert found == {(key,): 1 + 2 * place for place, key in enumerate(table)}


@given(st.text(alphabet="[]{}\"'=.#a\n \\", max_size=60))
def test_no_text_keeps_it_busy_for_ever(text: str) -> None:
    lines_of(text)
