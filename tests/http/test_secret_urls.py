from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.http.secret_urls import secret_parameters_of, user_info_of, without_secrets

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "harmless"),
    [
        ("https://x.com/a?b=1", "https://x.com/a?b=1"),
        ("https://bob:s3cr3t@x.com/a", "https://x.com/a"),
        ("https://s3cr3t@x.com:8443/a", "https://x.com:8443/a"),
        ("https://bob@corp:s3cr3t@x.com/", "https://x.com/"),
        ("//bob:s3cr3t@x.com/a", "//x.com/a"),
        ("https://x.com/a?api_key=s3cr3t", "https://x.com/a"),
        ("https://x.com/a?b=1&api_key=s3cr3t&c=2#top", "https://x.com/a?b=1&c=2#top"),
        ("https://x.com/a?api%5Fkey=s3cr3t&b", "https://x.com/a?b"),
        ("https://x.com/a?b=1;token=s3cr3t;c=2&d=3", "https://x.com/a?b=1&d=3"),
        ("https://x.com/a?token=x;s3cr3t&d=3", "https://x.com/a?d=3"),
        ("https://x.com/a;jsessionid=s3cr3t/b;v=1?c=2", "https://x.com/a/b;v=1?c=2"),
        ("https://x.com/a#access_token=s3cr3t&state=x", "https://x.com/a#state=x"),
        ("/a?sig=s3cr3t&b=%20c+d", "/a?b=%20c+d"),
        ("?token=s3cr3t", ""),
        ("https://x.com/a?&b=&&c", "https://x.com/a?&b=&&c"),
        ("https://x.com/?", "https://x.com/?"),
        (
            "https://x.com/?share=100%25&path=/a/b@c%3D",
            "https://x.com/?share=100%25&path=/a/b@c%3D",
        ),
        ("http://[::1/?token=s3cr3t", "http://[::1/"),
        ("mailto:bob@x.com", "mailto:bob@x.com"),
        ("", ""),
    ],
)
def test_user_info_and_secret_parameters_are_taken_out_and_nothing_else(
    url: str, harmless: str
) -> None:
    assert without_secrets(url) == harmless
    assert without_secrets(harmless) == harmless


@pytest.mark.parametrize("codings", [0, 1, 2])
@pytest.mark.parametrize(
    "inner", ["https://bob:s3cr3t@y.com/", "https://y.com/?a=1&token=s3cr3t", "/cb?token=s3cr3t"]
)
def test_a_secret_in_a_url_within_a_url_is_taken_out(inner: str, codings: int) -> None:
    for _ in range(codings):
        inner = quote(inner, safe="")
    assert SECRET not in without_secrets(f"https://x.com/?b=1&next={inner}")
    assert without_secrets(f"https://x.com/?b=1&next={inner}").startswith("https://x.com/?b=1")


def test_what_is_nested_too_deeply_to_look_into_is_taken_out() -> None:
    inner = "https://y.com/?token=s3cr3t"
    for _ in range(8):
        inner = f"https://y.com/?u={quote(inner, safe='')}"
    assert SECRET not in without_secrets(inner)
    assert without_secrets("?u=" * 100_000) == ""


def test_user_info_is_read_decoded() -> None:
    assert user_info_of("https://bob:p%40ss@x.com/") == ("bob", "p@ss")
    assert user_info_of("https://key:@x.com/") == ("key", "")
    assert user_info_of("https://x.com/@bob") == ("", "")
    assert user_info_of("bob@x.com") == ("", "")


def test_secret_parameters_are_read_decoded_and_empty_ones_count_for_nothing() -> None:
    url = "https://x.com/a;jsessionid=j?q=1&api%5Fkey=a%2Bb+c&token=&b=1;sig=s"
    found = [("jsessionid", "j"), ("api_key", "a+b c"), ("sig", "s")]
    assert sorted(secret_parameters_of(url)) == sorted(found)
    assert list(secret_parameters_of("https://x.com/a?page=2")) == []


@given(st.text())
def test_no_text_is_too_strange_for_a_url(text: str) -> None:
    harmless = without_secrets(text)
    assert without_secrets(harmless) == harmless
    assert list(secret_parameters_of(harmless)) == []
    assert user_info_of(harmless) == ("", "")


PIECES = [
    *("://", "//", "?", "&", ";", "#", "=", "@", ":", "/", "%", "%3D", "%26", "%40", "%253D", "+"),
    *("token", "api_key", "bob", SECRET, "http", "x.com", "u", "[", "\\", "\n", "\ud800"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_whatever_is_left_of_a_url_holds_no_secret(text: str) -> None:
    harmless = without_secrets(text)
    assert list(secret_parameters_of(harmless)) == []
    assert user_info_of(harmless) == ("", "")
    assert without_secrets(harmless) == harmless
