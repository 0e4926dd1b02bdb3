from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.diagnostics.masking import mask
from resilient.errors import ConfigurationError
from resilient.http.learned import (
    MOST,
    Learned,
    learn,
    learn_env,
    learn_request,
    learn_secrets,
    learned,
)

SECRET = "Tr0ub4dor&3/x+y"


@pytest.fixture(autouse=True)
def _nothing_is_learned() -> Iterator[None]:
    learned.clear()
    yield
    learned.clear()


def found_in(text: str, *values: str) -> str:
    store = Learned()
    for value in values:
        assert store.tell(value)
    return store.replace(text, "***", lambda secret: False)


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").replace("%2F", "%2f").replace("%2B", "%2b"),
        quote(quote(SECRET, safe=""), safe=""),
        html.escape(SECRET),
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    ],
)
def test_a_value_is_found_in_every_coding(written: str) -> None:
    assert found_in(f"GET /{written}?n=1", SECRET) == "GET /***?n=1"


@pytest.mark.parametrize("before", ["", "b", "bo", "bob:", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_found_in_base64_wherever_it_begins(before: str, encode: object) -> None:
    written = encode(f"{before}{SECRET}!".encode()).decode()  # type: ignore[operator]
    left = found_in(f"sent {written} today", SECRET)
    assert "***" in left
    # No three bytes of the value are left.
    rest = left.removeprefix("sent ").removesuffix(" today").partition("***")
    assert len(rest[0]) <= -(-len(before) * 8 // 6) + 1
    assert len(rest[2]) <= 5


@pytest.mark.parametrize("value", ["pa'ss\"wo\\rd1", "pässwörd1", "tab\tand\nline1"])
def test_a_value_is_found_in_reprs_and_json_at_two_depths(value: str) -> None:
    for written in (
        repr(value),
        repr(value.encode()),
        json.dumps({"a": value}),
        json.dumps({"a": value}, ensure_ascii=False),
        json.dumps(json.dumps({"a": value})),
    ):
        assert "***" in found_in(written, value), written


@given(st.text(min_size=8, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_a_value_is_found_between_any_texts(value: str, before: str, after: str) -> None:
    store = Learned()
    if store.tell(value):
        assert value.strip() not in store.replace(before + value + after, "\0", lambda _: False)


def test_at_most_a_half_is_left_of_a_value_that_was_cut() -> None:
    value = "a1b2c3d4e5f6g7h8i9j0k1l2m3n4"
    for cut in range(len(value)):
        left = found_in(f"{value[:cut]}… {value[cut:]}", value)
        assert (
            max(map(len, left.replace("***", " ").replace("…", " ").split()), default=0)
            <= len(value) // 2
        )
    assert found_in(f"x {value} y", value) == "x *** y"


@pytest.mark.parametrize("weak", ["", "short", "       ", "aaaaaaaaaaaa", "password", "Production"])
def test_what_is_too_short_or_too_common_is_refused_without_showing_it(weak: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        learn("long-enough-1", weak)
    assert not weak.strip() or weak not in str(error.value)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="value 1 is of type int: use texts"):
        learn(12345678)  # type: ignore[arg-type]


def test_the_repr_shows_no_value() -> None:
    learn(SECRET)
    assert SECRET not in repr(learned)
    assert len(learned) == 1


def test_environment_variables_are_learned_and_those_that_are_not_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONE_THING", SECRET)
    monkeypatch.setenv("A_URL", "postgres://bob:hunter2hunter2@db/app")
    monkeypatch.setenv("WEAK", "abc")
    monkeypatch.delenv("UNSET", raising=False)
    assert learn_env("ONE_THING", "A_URL", "WEAK", "UNSET") == ("WEAK", "UNSET")
    assert mask(f"got {SECRET} and hunter2hunter2 of db") == "got *** and *** of db"


def test_the_credentials_of_a_request_are_learned_and_nothing_else_of_it() -> None:
    basic = base64.b64encode(b"bob@example.com:hunter2hunter2").decode()
    headers = {
        "Authorization": f"Basic {basic}",
        "X-Api-Key": b"key-of-acme-1",
        "Stripe-Account": "acct_1032D82eZvKYlo2C",
        "Cookie": "lang=en-US-POSIX; sid=a1b2c3d4e5f6g7h8i9",
        "Accept": "application/json",
    }
    learn_request("https://x.io/a?access_token=tok-12345678&q=shoes-and-socks", headers)
    text = "bob@example.com acct_1032D82eZvKYlo2C en-US-POSIX application/json shoes-and-socks"
    assert mask(text) == text
    for secret in ("hunter2hunter2", "key-of-acme-1", "a1b2c3d4e5f6g7h8i9", "tok-12345678"):
        assert mask(f"echo {secret} end") == "echo *** end"


@pytest.mark.parametrize("headers", [None, 5, [("a",)], {"Authorization": None}, {5: object()}])
def test_odd_headers_fail_no_request(headers: object) -> None:
    learn_request("http://[", headers)  # type: ignore[arg-type]


def test_words_that_a_request_carries_are_not_learned() -> None:
    learn_secrets(["swordfish", "Administrator", "12345678", ""])
    assert len(learned) == 0
    learn_secrets(["swordfish-42"])
    assert mask("a swordfish-42 b") == "a *** b"


def test_the_oldest_value_makes_room_and_is_found_no_more() -> None:
    store = Learned()
    for number in range(MOST + 10):
        store.observe(f"value-{number:05}-x")
        store.replace("settle", "***", lambda _: False)
    assert len(store) == MOST
    assert store.replace("value-00000-x", "***", lambda _: False) == "value-00000-x"
    assert store.replace(f"value-{MOST + 9:05}-x", "***", lambda _: False) == "***"


def test_big_values_make_room_sooner() -> None:
    store = Learned()
    for number in range(200):
        store.tell(f"{number:05}" * 3_000)
    assert len(store) <= 70


def test_allowed_texts_stay() -> None:
    store = Learned()
    store.tell("documented-key-1")
    assert store.replace("documented-key-1", "***", lambda text: True) == "documented-key-1"


def test_learning_while_others_mask_loses_nothing(in_thread: object) -> None:
    values = [f"thread-secret-{number:03}" for number in range(100)]

    def work() -> None:
        for value in values:
            learn_secrets([value])
            assert mask(f"x {value} y") == "x *** y"

    for _ in range(4):
        in_thread(work)  # type: ignore[operator]


def test_a_search_costs_the_same_with_many_values() -> None:
    store = Learned()
    for number in range(MOST):
        store.observe(f"sk-ant-api03-{number:06}-abcdefgh")
    text = "sk-ant-api03-" * 80_000
    store.replace("settle", "***", lambda _: False)
    started = time.process_time()
    assert store.replace(text, "***", lambda _: False) == text
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda value: value[:14] + "...", id="cut off"),
        pytest.param(lambda value: "…" + value[-13:], id="cut off in front"),
        pytest.param(lambda value: f"{value[:12]}...{value[-13:]}", id="cut in the middle"),
        pytest.param(lambda value: f"{value[:11]}\n  │ {value[11:]}", id="wrapped"),
        pytest.param(lambda value: f"('{value[:11]}'\n '{value[11:22]}'\n '{value[22:]}')", id="3"),
    ],
)
def test_of_a_random_value_that_a_format_cut_a_few_signs_are_left(
    written: Callable[[str], str],
) -> None:
    value = "hT7pQ2zX9wK4mR8vB3nL6cY1sD5fG0jA"
    learn(value)
    shown = mask(f"got {written(value)} of the vendor")
    assert shown.startswith("got ")
    assert shown.endswith(" of the vendor")
    assert not any(value[at : at + 6] in shown for at in range(len(value) - 5))


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(ascii, id="ascii"),
        pytest.param(lambda value: value.encode().hex(), id="hex"),
        pytest.param(lambda value: value.replace("'", "''"), id="SQL"),
        pytest.param(lambda value: html.escape(value).replace("&#x27;", "&#39;"), id="Jinja"),
        pytest.param(lambda value: quote(json.dumps(value)), id="JSON in a URL"),
        pytest.param(lambda value: json.dumps(value).replace("/", "\\/"), id="PHP"),
    ],
)
def test_a_learned_value_is_found_in_further_codings(written: Callable[[str], str]) -> None:
    value = "o'neill/stäple+2"
    learn(value)
    assert "neill" not in mask(f"got {written(value)} here")


def test_words_of_a_learned_value_stay() -> None:
    learn("eu-west-1-production-key-2024")
    assert mask("eu-west-1 is up, production-key rotated") == (
        "eu-west-1 is up, production-key rotated"
    )


def test_a_line_of_a_learned_key_is_found_by_itself() -> None:
    learn("-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END X-----")
    assert mask("10:00 | MIIEvQIBADANBgkqhkiG9w0BAQEFAASC") == "10:00 | ***"
